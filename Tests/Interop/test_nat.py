"""Browsers in homes of their own, each behind a router that translates addresses; the services are on the network in between."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from check import cells, gather, open_check
from chromium import Chromium
from cluster import Cluster
from firefox import Firefox
from namespaces import Inside, Internet, Namespace, internet, missing

reason = missing()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(reason is not None, reason=reason or ""), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet() as made:
        yield made


@pytest.fixture(scope="module")
def symmetric(net) -> tuple[Namespace, Namespace]:
    """Two homes whose routers give every connection another port."""
    return net.home(), net.home()


@pytest.fixture(scope="module")
def url(net) -> Iterator[str]:
    """A Roost on the public network; two turn servers, for one STUN server alone cannot tell what kind of NAT there is."""
    with net.public:
        cluster = Cluster(turns=2)
    try:
        with net.public:
            cluster.start()
        yield f"https://{net.SERVER}:{cluster.https_port}"
    finally:
        with net.public:
            cluster.stop()


@pytest.fixture(scope="module")
def at_home() -> Iterator:
    """`at_home("firefox", home)` is a browser's page in a home."""
    with ExitStack() as stack:

        def start(kind: str, home: Namespace) -> Inside:
            with home:
                browser = {"chromium": Chromium, "firefox": Firefox}[kind]()
            stack.callback(Inside(browser, home).quit)
            return Inside(browser.tab, home)

        yield start


@pytest.fixture(scope="module")
def ann(at_home, symmetric) -> Inside:
    return at_home("chromium", symmetric[0])


@pytest.fixture(scope="module")
def bob(at_home, symmetric) -> Inside:
    return at_home("firefox", symmetric[1])


@pytest.mark.parametrize("who", ["ann", "bob"], ids=["chromium", "firefox"])
def test_a_symmetric_nat_is_told(request, url, who):
    tab = open_check(request.getfixturevalue(who), url)
    codes = gather(tab)
    assert "nat-symmetric" in codes, tab.describe()
    assert "stun-works" in codes
    types = {row["Type"] for row in cells(tab, "candidates")}
    assert {"host", "srflx"} <= types
    mapped = [row for row in cells(tab, "candidates") if row["Type"] == "srflx"]
    assert {row["Address"] for row in mapped} in ({"11.7.0.11"}, {"11.7.0.12"})
    assert len({row["Port"] for row in mapped}) > 1
    tab.sees("A symmetric NAT")


def test_a_nat_that_keeps_ports_is_good_for_direct_calls(at_home, net, url):
    tab = open_check(at_home("chromium", net.home("masquerade")), url)
    codes = gather(tab)
    assert "nat-independent" in codes, tab.describe()
