"""Browsers in homes of their own, each behind a router that translates addresses; the services are on the network in between."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from calls import call, hears, sees_picture
from check import cells, gather, open_check, servers
from homes import marks, roost_at, sign_in, tab_at
from namespaces import Inside, Namespace

pytestmark = marks


@pytest.fixture(scope="module")
def symmetric(net) -> tuple[Namespace, Namespace]:
    """Two homes whose routers give every connection another port."""
    return net.home(), net.home()


@pytest.fixture(scope="module")
def url(net) -> Iterator[str]:
    """Two turn servers, for one STUN server alone cannot tell what kind of NAT there is."""
    with roost_at(net, turns=2) as made:
        yield made


@pytest.fixture(scope="module")
def at_home(net) -> Iterator:
    """`at_home("firefox", home)` is a browser's page in a home."""
    with ExitStack() as stack:
        yield lambda kind, home: stack.enter_context(tab_at(home, kind))


@pytest.fixture(scope="module")
def ann(at_home, symmetric) -> Inside:
    return at_home("chromium", symmetric[0])


@pytest.fixture(scope="module")
def bob(at_home, symmetric) -> Inside:
    return at_home("firefox", symmetric[1])


@pytest.mark.parametrize("who", ["ann", "bob"], ids=["chromium", "firefox"])
def test_a_symmetric_nat_is_told(request, url, who):
    tab = open_check(request.getfixturevalue(who), url)
    assert not [each for each in servers(tab) if "127.0.0.1" in each], "the server's own loopback is of no use here"
    codes = gather(tab)
    assert codes[0] == "advice-relayed", tab.describe()
    assert {"nat-symmetric", "stun-works", "turn-udp-works", "turn-tcp-works"} <= set(codes)
    # The server has no name here, and Firefox does not try TLS to an address.
    assert who == "bob" or "turn-tls-works" in codes
    assert {row["Type"] for row in cells(tab, "candidates")} == {"host", "srflx", "relay"}
    mapped = [row for row in cells(tab, "candidates") if row["Type"] == "srflx"]
    assert {row["Address"] for row in mapped} in ({"11.7.0.11"}, {"11.7.0.12"})
    assert len({row["Port"] for row in mapped}) > 1
    tab.sees("A symmetric NAT")


def test_a_nat_that_keeps_ports_is_good_for_direct_calls(at_home, net, url):
    tab = open_check(at_home("chromium", net.home("masquerade")), url)
    codes = gather(tab)
    assert "nat-independent" in codes, tab.describe()


def see_and_hear_by_relay(*tabs: Inside) -> None:
    for tab in tabs:
        hears(tab)
        sees_picture(tab)
        assert tab.report()["call"]["path"] == "relayed"
        tab.sees("Relayed")


def test_a_call_between_two_symmetric_nats_is_relayed(ann, bob, url):
    """Neither home can be reached from the other: what each learns of itself by STUN holds for the STUN server alone."""
    sign_in(ann, "Ann", url)
    sign_in(bob, "Bob", url)
    call(ann, bob)
    see_and_hear_by_relay(ann, bob)
    bob.click("Hang up")
    ann.sees("Bob hung up")


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_network_that_lets_no_udp_through_is_told_and_calls_go_by_tcp(at_home, net, ann, url, kind):
    cat = at_home(kind, net.home(refuse="meta l4proto udp"))
    codes = gather(open_check(cat, url))
    assert codes[0] == "advice-udp-blocked", cat.describe()
    assert {"stun-fails", "turn-udp-fails", "turn-tcp-works"} <= set(codes)
    assert kind == "firefox" or "turn-tls-works" in codes
    cat.sees("this network lets no UDP through")
    sign_in(ann, "Ann", url)
    # A name of its own: the page of the other kind is still there.
    sign_in(cat, f"Cat-{kind}", url)
    call(cat, ann)
    see_and_hear_by_relay(cat, ann)
    cat.report_where(lambda r: (r["call"]["relay"]["here"] or {}).get("protocol") in ("tcp", "tls"), "it goes over TCP")
    cat.click("Hang up")
    ann.sees(f"Cat-{kind} hung up")
