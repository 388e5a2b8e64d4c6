"""A Roost on the public network of `namespaces`, and browsers in homes behind its routers."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chromium import Chromium
from cluster import Cluster
from firefox import Firefox
from namespaces import Inside, Internet, Namespace, missing

reason = missing()
# For `pytestmark`.
marks = [pytest.mark.browser, pytest.mark.skipif(reason is not None, reason=reason or ""), pytest.mark.timeout(180)]


@contextmanager
def roost_at(net: Internet, **counts: int) -> Iterator[str]:
    """Its URL, as homes know it."""
    with net.public:
        cluster = Cluster(**counts)
    try:
        with net.public:
            cluster.start()
        yield f"https://{net.SERVER}:{cluster.https_port}"
    finally:
        with net.public:
            cluster.stop()


@contextmanager
def tab_at(home: Namespace, kind: str) -> Iterator[Inside]:
    """A browser's page in a home. It ends before the home does."""
    with home:
        browser = {"chromium": Chromium, "firefox": Firefox}[kind]()
    try:
        yield Inside(browser.tab, home)
    finally:
        Inside(browser, home).quit()


def sign_in(tab: Inside, name: str, url: str) -> None:
    tab.name = name
    tab.open(f"{url}/?name={name}&signin=1")
    tab.report_where(lambda r: r["state"] == "signed-in", f"{name} is signed in")
