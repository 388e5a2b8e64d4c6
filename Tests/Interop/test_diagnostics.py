"""/diagnostics: what a person finds out there about the ways out of their network."""

import json
import os
import signal

import pytest

from check import add, cells, gather, gather_at_once, open_check, reason, remove_all, servers
from cluster import free_ports
from page import serious_findings
from taps import tap
from test_page import get
from waiting import wait_until

pytestmark = pytest.mark.browser

KINDS = ["chromium", "firefox"]


@pytest.fixture
def page(browser, cluster):
    """`page("firefox")` is /diagnostics, with this Roost's servers in its list."""

    def open_page(kind="chromium", query=""):
        return open_check(browser(kind), cluster.url(), query)

    return open_page


@pytest.mark.parametrize("kind", KINDS)
def test_this_roosts_servers_are_filled_in_and_stun_works(page, kind):
    tab = page(kind)
    assert any(url.startswith("stun:") for url in servers(tab))
    codes = gather(tab)
    assert "stun-works" in codes, tab.describe()
    assert {"nat-none", "nat-open"} & set(codes)
    tab.sees("STUN works.", "Gathering is complete")
    rows = cells(tab, "candidates")
    host = next(row for row in rows if row["Type"] == "host" and row["Protocol"] == "udp")
    assert host["Component"] == "rtp" and host["Foundation"] and host["Address"] and int(host["Port"]) > 0
    assert "126 | " in host["Priority"]


def by_address(url: str) -> bool:
    """TLS to a server without a name: Firefox does not try it."""
    return url.startswith("turns:") and "localhost" not in url


@pytest.mark.parametrize("kind", KINDS)
def test_relaying_works_over_each_transport(page, kind):
    tab = page(kind)
    codes = gather(tab)
    assert codes[0] == "advice-ready", tab.describe()
    assert {"turn-udp-works", "turn-tcp-works", "turn-tls-works"} <= set(codes)
    relays = [row for row in cells(tab, "candidates") if row["Type"] == "relay"]
    assert {row["Relay protocol"] for row in relays} == {"udp", "tcp", "tls"}
    for row in relays:
        expected = "turns:" if row["Relay protocol"] == "tls" else "turn:"
        assert row["Server"].startswith(expected) or (kind == "firefox" and row["Server"] == ""), row
    for url in servers(tab):
        assert reason(tab, url) in (("needs-name",) if by_address(url) and kind == "firefox" else ("works", "same-address")), url


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_told_from_a_server_that_is_away(page, kind):
    tab = page(kind)
    relays = [url for url in servers(tab) if url.startswith("turn") and not (by_address(url) and kind == "firefox")]
    for url in relays:
        add(tab, url, "9999999999:ann", "wrong")
    codes = gather(tab)
    assert codes[0] == "advice-credentials", tab.describe()
    assert {"credentials-refused", "stun-works", "turn-udp-fails", "turn-tcp-fails", "turn-tls-fails"} <= set(codes)
    assert {reason(tab, url) for url in relays} == {"credentials"}
    tab.sees("User name or password refused")
    assert "401" in {row["Code"] for row in cells(tab, "errors")}
    for row in cells(tab, "errors"):
        assert float(row["Time"].removesuffix(" s")) >= 0 and row["Text"] and row["Server"].startswith("turn"), row
        assert {"Address", "Port"} <= set(row), row
    assert not [row for row in cells(tab, "candidates") if row["Type"] == "relay"]


def has_rows_before_its_verdict(tab) -> None:
    wait_until(lambda: cells(tab, "candidates"), "what was found is shown", seen=tab.describe)
    tab.offers("Stop")
    assert tab.run("return document.getElementById('verdict').hidden"), tab.describe()


def test_this_roosts_turn_server_being_off_is_told(page, cluster):
    tabs = [page(kind) for kind in KINDS]
    pid = cluster.kill("turn-1", signal.SIGSTOP)
    try:
        told = gather_at_once(tabs, has_rows_before_its_verdict)
    finally:
        os.kill(pid, signal.SIGCONT)
    for tab, codes in zip(tabs, told):
        assert codes[0] == "advice-all-blocked", tab.describe()
        assert {"stun-fails", "turn-udp-fails", "turn-tcp-fails", "turn-tls-fails"} <= set(codes)
        tab.sees("Neither STUN nor TURN answers")


def test_a_turn_server_that_is_off_is_said_to_be_unreachable(page):
    tabs = [page(kind) for kind in KINDS]
    off = f"turn:127.0.0.1:{free_ports(1)}"
    for tab in tabs:
        remove_all(tab)
        add(tab, f"{off}?transport=tcp", "ann", "secret")
        add(tab, off, "ann", "secret")
    for tab, codes in zip(tabs, gather_at_once(tabs)):
        assert {"turn-tcp-fails", "turn-udp-fails"} <= set(codes), tab.describe()
        assert reason(tab, f"{off}?transport=tcp") == "unreachable"
        assert reason(tab, off) in ("no-answer", "unreachable")
        tab.sees("Not reachable", "TURN does not work over TCP")
        assert {"Code": "701", "Server": f"{off}?transport=tcp"}.items() <= cells(tab, "errors")[0].items()


@pytest.mark.parametrize("kind", KINDS)
def test_the_client_says_what_the_page_says(page, kind):
    tab = page(kind)
    found = tab.run("return await roost.diagnose()")
    assert found["gathering"]["state"] == "complete"
    assert found["verdict"]["stun"] == "works" and found["verdict"]["codes"][1] == "stun-works"
    assert "STUN works." in found["verdict"]["text"]
    row = found["rows"][0]
    assert row["preferences"]["type"] << 24 | row["preferences"]["local"] << 8 | 256 - row["preferences"]["component"] == row["priority"]
    assert set(row) == {
        "time", "component", "type", "foundation", "protocol", "address", "port", "priority", "preferences", "url", "relayProtocol",
        "relatedAddress", "relatedPort", "tcpType", "candidate",
    }  # fmt: skip


WIFI, CABLE = "10.0.0.5", "10.1.0.5"
SERVERS = ["stun:a.example", "stun:b.example"]


def udp(type: str, address: str, port: int, network: int | None = None, local: int = 32512, **more: object) -> dict:
    extension = f" network-id {network}" if network else ""
    return {
        "type": type, "protocol": "udp", "address": address, "port": port, "relatedAddress": None, "relatedPort": None, "relayProtocol": None,
        "preferences": {"type": 100, "local": local, "component": 1}, "candidate": f"candidate:1 1 udp 1 {address} {port} typ {type}{extension}", **more,
    }  # fmt: skip


NATS = {
    "no answer": ("unknown", [udp("host", WIFI, 1)], []),
    "the host's own address": ("none", [udp("host", "11.0.0.1", 1), udp("srflx", "11.0.0.1", 1)], SERVERS),
    "an address of its own, which Chromium does not repeat": ("none", [udp("host", "11.0.0.1", 1)], ["same-address"]),
    "one address by two servers": ("independent", [udp("host", WIFI, 1, 1), udp("srflx", "11.0.0.1", 700, 1)], SERVERS),
    "one address by one server": ("one-server", [udp("host", WIFI, 1, 1), udp("srflx", "11.0.0.1", 700, 1)], SERVERS[:1]),
    "the same port by one server": ("independent", [udp("host", WIFI, 1, 1), udp("srflx", "11.0.0.1", 1, 1)], SERVERS[:1]),
    "two ports of one socket": (
        "symmetric", [udp("host", WIFI, 1, 1), udp("srflx", "11.0.0.1", 700, 1), udp("srflx", "11.0.0.1", 701, 1)], SERVERS,
    ),
    "two ports of two sockets": (
        "independent",
        [udp("host", WIFI, 1, 1), udp("host", CABLE, 2, 2), udp("srflx", "11.0.0.1", 700, 1), udp("srflx", "11.0.0.1", 701, 2)],
        SERVERS,
    ),
    "another port for the TURN server": (
        "symmetric",
        [
            udp("host", WIFI, 1, 1), udp("srflx", "11.0.0.1", 700, 1),
            udp("relay", "11.0.0.9", 5000, 1, relatedAddress="11.0.0.1", relatedPort=701, relayProtocol="udp"),
        ],
        SERVERS[:1],
    ),
    "two ports of one hidden socket": (
        "symmetric",
        [udp("host", "x.local", 1), udp("srflx", "11.0.0.1", 700, local=32542), udp("srflx", "11.0.0.1", 701, local=32540)],
        SERVERS,
    ),
    "two ports of two hidden sockets": (
        "independent",
        [
            udp("host", "x.local", 1), udp("host", "y.local", 2, local=32256), udp("srflx", "11.0.0.1", 700, local=32542),
            udp("srflx", "11.0.0.1", 701, local=32287),
        ],
        SERVERS,
    ),
    "the same port of a hidden socket": ("open", [udp("host", "x.local", 1), udp("srflx", "11.0.0.1", 1)], SERVERS),
}  # fmt: skip


def test_which_nat_there_is_follows_from_what_servers_saw(page):
    tab = page()
    for name, (expected, rows, answers) in NATS.items():
        results = [
            {"url": url, "kind": "stun", "transport": "udp", "ok": True, "reason": "works"}
            if url.startswith("stun:") else {"url": SERVERS[0], "kind": "stun", "transport": "udp", "ok": True, "reason": url}
            for url in answers
        ]  # fmt: skip
        told = tab.run("return (await import('/diagnose.js')).natOf(arguments[0], arguments[1])", rows, results)
        assert told == expected, f"{name}: {told}"


def test_servers_that_cannot_be_are_refused_with_a_reason(page):
    tab = page()
    before = servers(tab)
    for url in ("https://example.org", "turn:", "stun:host:99999", "turn:host?transport=sctp"):
        tab.run("document.querySelector('[data-testid=url]').value = ''; return true")
        add(tab, url)
        tab.sees("That is not a STUN or TURN address")
    tab.run("document.querySelector('[data-testid=url]').value = ''; return true")
    add(tab, "turns:turn.example.org:443")
    tab.sees("A TURN server wants a user name and a password.")
    assert tab.focused() == "User name"
    assert servers(tab) == before


def test_the_list_is_kept_and_reset(page):
    tab = page()
    own = servers(tab)
    add(tab, "stun:stun.example.org:3478")
    tab.click(f"Remove {own[0]}")
    assert servers(tab) == [*own[1:], "stun:stun.example.org:3478"]
    tab = reload(tab)
    assert servers(tab) == [*own[1:], "stun:stun.example.org:3478"]
    tab.click("Reset")
    wait_until(lambda: servers(tab) == own, "the list is as it was", seen=tab.describe)
    assert servers(reload(tab)) == own


def reload(tab):
    return open_check(tab, tab.run("return location.origin"))


def test_relay_only_offers_no_other_way(page):
    tab = page()
    tab.click_element("return document.querySelector('[data-testid=policy-relay]')")
    codes = gather(tab)
    assert "nat-not-looked" in codes
    assert {row["Type"] for row in cells(tab, "candidates")} == {"relay"}


def test_a_pool_of_candidates_is_what_the_connection_is_made_with(page):
    tab = tap(page())
    sizes = "return pcs.map((made) => made.getConfiguration().iceCandidatePoolSize)"
    gather(tab)
    assert not any(tab.run(sizes)), "none is asked for unless a person does"
    tab.run("pcs.length = 0; return true")
    ask_for_pool(tab, 3)
    gather(tab)
    # One connection gathers for the table; those that try each server alone need no pool.
    assert [size for size in tab.run(sizes) if size] == [3]


@pytest.mark.parametrize("kind", KINDS)
def test_gathering_with_a_pool_finds_the_same_ways(page, kind):
    tab = page(kind)
    ask_for_pool(tab, 10)
    codes = gather(tab)
    assert "stun-works" in codes and codes[0] == "advice-ready", tab.describe()
    tab.sees("Gathering is complete")
    assert {"host", "relay"} <= {row["Type"] for row in cells(tab, "candidates")}


def ask_for_pool(tab, size):
    field = "return document.querySelector('[data-testid=pool]')"
    tab.run(field.removeprefix("return ") + ".value = ''; return true")
    tab.type_into(field, str(size))


def test_the_check_is_done_by_keyboard_alone(page):
    tab = page()
    tab.tab_to("Gather candidates")
    tab.press("Enter")
    tab.offers("Gather again", timeout=30)
    assert tab.focused() == "Gather again"
    tab.tab_to("Copy report")


@pytest.mark.parametrize("size", [{"width": 390, "height": 844, "phone": True}, {"width": 1280, "height": 800}], ids=["phone", "laptop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_an_accessibility_checker_finds_nothing_serious(page, size, dark):
    tab = page()
    tab.appearance(**size, dark=dark)
    assert serious_findings(tab) == []
    add(tab, f"turn:127.0.0.1:{free_ports(1)}?transport=tcp", "ann", "secret")
    gather(tab)
    assert serious_findings(tab) == []
    assert tab.run("return document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
    assert tab.errors() == []


def test_the_page_speaks_chinese(page):
    page(query="?lang=zh").sees("检查网络连接", "收集候选地址")


def test_the_lobby_leads_there(person):
    ann = person("Ann")
    ann.offers("Check your connection", "link")


def test_servers_are_given_to_this_sites_visitors_and_not_without_end(cluster):
    status, headers, body = get(cluster.url(2), "/ice-servers", **{"Sec-Fetch-Site": "same-origin"})
    assert status == 200 and headers["cache-control"] == "no-store"
    assert json.loads(body)["iceServers"][0]["urls"]
    assert get(cluster.url(2), "/ice-servers", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert get(cluster.url(2), "/ice-servers", Origin="https://elsewhere.example")[0] == 403
    answers = [get(cluster.url(2), "/ice-servers") for _ in range(40)]
    refused = next(answer for answer in answers if answer[0] == 429)
    assert refused[1]["retry-after"] and b"too often" in refused[2]


@pytest.fixture(scope="module")
def signals() -> int:
    """The second one is asked too often."""
    return 2
