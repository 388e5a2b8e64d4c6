"""What the system tests share: one Roost a module, browsers for the whole run, and people in them."""

import os
import secrets
import signal
from collections.abc import Callable, Iterator

import pytest

from browsers import Tab
from chromium import Chromium
from cluster import Cluster
from firefox import Firefox
from namespaces import Internet, internet
from rooms import enter
from wire import Wire

# The kinds a test may ask for by name.
MAKERS: dict[str, Callable[[], Chromium | Firefox]] = {
    "chromium": Chromium,
    "firefox": Firefox,
    "chromium sharp": lambda: Chromium("sharp"),
    "chromium crowded": lambda: Chromium("crowded"),
    "chromium refusing": lambda: Chromium("refusing"),
    "chromium deviceless": lambda: Chromium("deviceless"),
}


class Elsewhere:
    """A Roost that is up already, at ROOST_URL (and, for its second signal, ROOST_URL_2): for writing tests quickly."""

    def url(self, signal_number: int = 1) -> str:
        return os.environ["ROOST_URL" if signal_number == 1 else f"ROOST_URL_{signal_number}"].rstrip("/")

    def is_whole(self) -> bool:
        return True


def pytest_configure() -> None:
    """Told to end (a `timeout`, a CI that stops), it ends as after Ctrl-C: browsers and servers are not left running."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="module")
def signals() -> int:
    """How many signals the module's cluster has; a module that wants more overrides this."""
    return 1


@pytest.fixture(scope="module")
def cluster(signals: int) -> Iterator[Cluster | Elsewhere]:
    """One Roost for the module."""
    if os.environ.get("ROOST_URL"):
        yield Elsewhere()
        return
    with Cluster(signals=signals) as made:
        yield made


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    """A network of the module's own, with homes behind routers; see `homes`."""
    with internet() as made:
        yield made


class Pool:
    """Browsers that wait for their next test: starting one costs more than most tests."""

    def __init__(self) -> None:
        self.idle: dict[str, list[Chromium | Firefox]] = {}
        self.taken: list[tuple[str, Chromium | Firefox]] = []

    def take(self, kind: str) -> Chromium | Firefox:
        waiting = self.idle.setdefault(kind, [])
        browser = waiting.pop() if waiting else MAKERS[kind]()
        self.taken.append((kind, browser))
        return browser

    def give_back(self) -> None:
        """Ends the test's people: their pages leave, their storage is emptied."""
        for kind, browser in self.taken:
            try:
                browser.tab.clear()
                self.idle[kind].append(browser)
            except Exception:  # noqa: BLE001 - a browser in a bad state is not kept
                browser.quit()
        self.taken.clear()

    def quit(self) -> None:
        self.give_back()
        for browsers in self.idle.values():
            for browser in browsers:
                browser.quit()
        self.idle.clear()


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    pool = Pool()
    try:
        yield pool
    finally:
        pool.quit()


@pytest.fixture
def browser(pool: Pool) -> Iterator[Callable[..., Tab]]:
    """`browser("firefox")` gives a fresh page of a browser, on no site yet."""

    def take(kind: str = "chromium") -> Tab:
        return pool.take(kind).tab

    try:
        yield take
    finally:
        pool.give_back()


@pytest.fixture
def person(browser, cluster) -> Callable[..., Tab]:
    """`person("Ann", "firefox", on=2)` is somebody signed in on a page; `.name` is the name, made unique."""

    def sign_in(name: str, kind: str = "chromium", on: int = 1, exactly: bool = False, query: str = "") -> Tab:
        tab = browser(kind)
        tab.name = name if exactly else f"{name} {secrets.token_hex(2)}"
        tab.home = cluster.url(on)
        tab.open(f"{tab.home}/?name={tab.name.replace(' ', '%20')}&signin=1{query}")
        tab.report_where(lambda r: r["name"] == tab.name and r["state"] not in ("signed-out", "signing-in"), f"{tab.name} is signed in")
        return tab

    return sign_in


@pytest.fixture
def room() -> str:
    """A room that nobody was in yet."""
    return f"room-{secrets.token_hex(3)}"


@pytest.fixture
def enters(browser, cluster, room) -> Callable[..., Tab]:
    """`enters("Ann", "firefox")` is somebody who followed the room's link."""
    return lambda name, kind="chromium", query="": enter(browser(kind), cluster.url(), room, name, query)


@pytest.fixture
def wire(cluster) -> Iterator[Callable[..., Wire]]:
    """`wire("Ann")` is somebody signed in without a browser; `wire()` only a socket."""
    made: list[Wire] = []

    def connect(name: str | None = None, on: int = 1, exactly: bool = False) -> Wire:
        client = Wire(cluster.url(on))
        made.append(client)
        if name is not None:
            client.hello(name if exactly else f"{name} {secrets.token_hex(3)}")
        return client

    try:
        yield connect
    finally:
        for client in made:
            client.close()
