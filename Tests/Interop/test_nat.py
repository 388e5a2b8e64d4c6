"""Browsers in homes of their own, each behind a router that translates addresses; the services are on the network in between."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from calls import call, hears, sees_picture
from check import cells, gather_at_once, open_check, servers
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
def people(at_home, net, symmetric, url) -> dict[str, Inside]:
    """Who is at home where: Ann and Bob behind symmetric NATs, Dora behind one that keeps ports, and two whom no UDP leaves."""
    return {
        "ann": at_home("chromium", symmetric[0]), "bob": at_home("firefox", symmetric[1]), "dora": at_home("chromium", net.home("masquerade")),
        **{f"cat-{kind}": at_home(kind, net.home(refuse="meta l4proto udp")) for kind in ("chromium", "firefox")},
    }  # fmt: skip


@pytest.fixture(scope="module")
def told(people, url) -> dict[str, list[str]]:
    """What /diagnostics tells each of them. All at once: they wait for what never answers."""
    return dict(zip(people, gather_at_once([open_check(tab, url) for tab in people.values()])))


@pytest.mark.parametrize("who", ["ann", "bob"], ids=["chromium", "firefox"])
def test_a_symmetric_nat_is_told(people, told, who):
    tab, codes = people[who], told[who]
    assert not [each for each in servers(tab) if "127.0.0.1" in each], "the server's own loopback is of no use here"
    assert codes[0] == "advice-relayed", tab.describe()
    assert {"nat-symmetric", "stun-works", "turn-udp-works", "turn-tcp-works"} <= set(codes)
    # The server has no name here, and Firefox does not try TLS to an address.
    assert who == "bob" or "turn-tls-works" in codes
    assert {row["Type"] for row in cells(tab, "candidates")} == {"host", "srflx", "relay"}
    mapped = [row for row in cells(tab, "candidates") if row["Type"] == "srflx"]
    assert {row["Address"] for row in mapped} in ({"11.7.0.11"}, {"11.7.0.12"})
    assert len({row["Port"] for row in mapped}) > 1
    tab.sees("A symmetric NAT")


def test_a_nat_that_keeps_ports_is_good_for_direct_calls(people, told):
    assert "nat-independent" in told["dora"], people["dora"].describe()


def see_and_hear_by_relay(*tabs: Inside) -> None:
    for tab in tabs:
        hears(tab)
        sees_picture(tab)
        assert tab.report()["call"]["path"] == "relayed"
        tab.sees("Relayed")


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_network_that_lets_no_udp_through_is_told(people, told, kind):
    cat, codes = people[f"cat-{kind}"], told[f"cat-{kind}"]
    assert codes[0] == "advice-udp-blocked", cat.describe()
    assert {"stun-fails", "turn-udp-fails", "turn-tcp-works"} <= set(codes)
    assert kind == "firefox" or "turn-tls-works" in codes
    cat.sees("this network lets no UDP through")


def test_a_call_between_two_symmetric_nats_is_relayed(people, url):
    """Neither home can be reached from the other: what each learns of itself by STUN holds for the STUN server alone."""
    ann, bob = people["ann"], people["bob"]
    sign_in(ann, "Ann", url)
    sign_in(bob, "Bob", url)
    call(ann, bob)
    see_and_hear_by_relay(ann, bob)
    bob.click("Hang up")
    ann.sees("Bob hung up")


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_from_a_network_that_lets_no_udp_through_calls_go_by_tcp(people, url, kind):
    ann, cat = people["ann"], people[f"cat-{kind}"]
    sign_in(ann, "Ann", url)
    # A name of its own: the page of the other kind is still there.
    sign_in(cat, f"Cat-{kind}", url)
    call(cat, ann)
    see_and_hear_by_relay(cat, ann)
    cat.report_where(lambda r: (r["call"]["relay"]["here"] or {}).get("protocol") in ("tcp", "tls"), "it goes over TCP")
    cat.click("Hang up")
    ann.sees(f"Cat-{kind} hung up")
