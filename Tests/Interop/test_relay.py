"""Calls that go through a TURN server: over each transport, between both browsers, and as a person chooses it."""

import pytest

from calls import call, hears, media_goes_on, sees_picture
from waiting import wait_until

pytestmark = pytest.mark.browser


def panel(tab) -> str:
    return tab.run("const p = document.getElementById('panel'); return p.hidden ? '' : p.innerText.replace(/\\s+/g, ' ')")


def says(tab, *texts: str) -> None:
    """The panel of figures says these, sooner or later."""
    if panel(tab) == "":
        tab.click("Call details")
    for text in texts:
        wait_until(lambda: text in panel(tab), f"{text!r} in the panel", seen=lambda: panel(tab))


def relayed(tab, **relay: str | None) -> None:
    """The report says that media is relayed, on which side and how."""

    def right(report: dict) -> bool:
        call = report["call"]
        return call["path"] == "relayed" and all((call["relay"][side] or {}).get("protocol") == how for side, how in relay.items())

    tab.report_where(right, f"relayed: {relay}")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize(("caller_kind", "callee_kind"), [("chromium", "firefox"), ("firefox", "chromium"), ("chromium", "chromium")])
def test_a_relayed_call_is_seen_and_heard_by_both(person, caller_kind, callee_kind, transport):
    query = f"&policy=relay&turn={transport}"
    ann, bob = person("Ann", caller_kind, query=query), person("Bob", callee_kind, query=query)
    call(ann, bob)
    for tab, other in ((ann, bob), (bob, ann)):
        hears(tab)
        sees_picture(tab)
        relayed(tab, here=transport, there=transport)
        tab.sees("Relayed")
        name = transport.upper()
        says(tab, "Path Relayed", f"Relay on your side TURN over {name}", f"Relay on {other.name}'s side TURN over {name}")


def test_who_is_behind_which_relay_is_said_to_both(person):
    """Ann may only use a relay over TLS. Whether Bob takes one besides is his browser's choice: both say the same of it."""
    ann, bob = person("Ann", query="&policy=relay&turn=tls"), person("Bob")
    call(ann, bob)
    for tab in (ann, bob):
        hears(tab)
        sees_picture(tab)
    relayed(ann, here="tls")
    relayed(bob, there="tls")

    def same() -> bool:
        of_bob = [tab.report()["call"]["relay"][side] for tab, side in ((ann, "there"), (bob, "here"))]
        return (of_bob[0] or {}).get("protocol") == (of_bob[1] or {}).get("protocol") != "tls"

    wait_until(same, "both say the same of Bob's side", seen=lambda: [tab.report()["call"]["relay"] for tab in (ann, bob)])
    says(ann, "Relay on your side TURN over TLS")
    says(bob, f"Relay on {ann.name}'s side TURN over TLS")


def relay_only(tab, on: bool) -> None:
    """The switch in the dialog of devices."""
    tab.click("Devices")
    assert tab.run("return document.getElementById('relay-only').checked") is not on
    tab.click_element("return document.getElementById('relay-only')")
    tab.click("Done")


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_relay_only_is_chosen_and_kept(person, kind):
    """It holds from the next call on; whether the running one moves to the relay is the browser's affair."""
    ann, bob = person("Ann", kind), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    ann.report_where(lambda r: r["call"]["path"] == "direct", "the call is direct")
    relay_only(ann, True)
    media_goes_on(ann, bob)

    ann.click("Hang up")
    ann.open(f"{ann.home}/?name={ann.name.replace(' ', '%20')}&signin=1")
    ann.report_where(lambda r: r["state"] == "signed-in", "signed in again")
    call(ann, bob)
    sees_picture(bob)
    ann.report_where(lambda r: r["call"]["path"] == "relayed" and r["call"]["relay"]["here"], "relay only was kept")
    bob.report_where(lambda r: r["call"]["path"] == "relayed", "Bob's side knows")
    media_goes_on(ann, bob)
