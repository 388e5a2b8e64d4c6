"""Waiting on conditions: a test says what must become true, and how long that may take at the worst."""

import time
from typing import Callable, TypeVar

T = TypeVar("T")

# Long, because the machine may have 2 cores and two browsers encoding video on them; a condition that comes true ends the wait.
PATIENCE = 20.0


class NeverCame(AssertionError):
    """What was waited for did not come; says what was seen instead."""


def wait_until(
    condition: Callable[[], T],
    what: str,
    timeout: float = PATIENCE,
    every: float = 0.05,
    seen: Callable[[], object] | None = None,
) -> T:
    """Calls `condition` until it gives something true, and gives that back.

    An exception of the condition counts as "not yet": pages are in motion while a test looks at them.
    """
    end = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except Exception as error:  # noqa: BLE001
            last = f"{type(error).__name__}: {str(error)[:400]}"
        if time.monotonic() >= end:
            break
        time.sleep(every)
    detail = f"; last: {last!r}"
    if seen is not None:
        try:
            detail += f"\nseen:\n{seen()}"
        except Exception as error:  # noqa: BLE001
            detail += f"\n(could not look: {error})"
    raise NeverCame(f"within {timeout:g} s never came: {what}{detail}")


def stays_true(condition: Callable[[], bool], what: str, seconds: float, every: float = 0.1) -> None:
    """Asserts that `condition` holds all through `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"did not stay so: {what}"
        time.sleep(every)
