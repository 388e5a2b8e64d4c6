"""Two people on two browsers call each other: they see and hear each other, and every way a call may end says what happened."""

import time

import pytest

from calls import accept, call, connected, hears, idle, media_goes_on, ring, sees_picture
from taps import tap
from waiting import stays_true, wait_until

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("caller_kind", "callee_kind"), [("chromium sharp", "chromium"), ("chromium", "firefox"), ("firefox", "chromium")]
)
def test_a_call_is_seen_and_heard_by_both(person, caller_kind, callee_kind):
    ann, bob = person("Ann", caller_kind), person("Bob", callee_kind)
    ring(ann, bob)
    wait_until(lambda: ann.name in bob.title(), "the title says who is calling", seen=bob.describe)
    accept(bob)
    for tab in (ann, bob):
        connected(tab)
        tab.sees("Connected")
        hears(tab)
        sees_picture(tab)
        # A relayed pair may be found first, and is left for the direct one.
        wait_until(lambda tab=tab: tab.report()["call"]["path"] == "direct", "the call is direct", seen=tab.describe)
        report = tab.report()
        assert report["node"]
        assert report["members"][0]["name"] == (bob if tab is ann else ann).name
    ann.click("Hang up")
    bob.sees(f"{ann.name} hung up")
    ann.sees(f"You ended the call with {bob.name}")
    idle(ann)
    idle(bob)


def test_a_call_can_be_accepted_by_voice_only(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    accept(bob, video=False)
    connected(ann)
    connected(bob)
    hears(ann)
    sees_picture(bob)
    hears(bob)
    report = ann.report()
    assert report["members"][0]["media"] == {"audio": True, "video": False, "screen": False}
    assert report["members"][0]["video"]["framesDecoded"] == 0


def test_a_voice_call_says_so_and_video_can_join_later(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob, video=False)
    bob.sees("Voice call")
    accept(bob, video=False)
    connected(ann)
    hears(bob)
    ann.click("Turn camera on")
    sees_picture(bob)


def test_a_declined_call_says_so(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    bob.click("Decline")
    ann.sees(f"{bob.name} declined")
    bob.sees(f"You declined the call from {ann.name}")
    idle(ann)
    idle(bob)
    # Nothing is left behind: the next call works.
    ring(ann, bob)


def test_someone_in_a_call_is_busy_for_a_third(person, wire):
    ann, bob = person("Ann"), person("Bob")
    carl = wire("Carl")
    call(ann, bob)
    people = carl.hear("people")["list"]
    wanted = next((p for p in people if p["name"] == bob.name), None)
    assert wanted, f"Carl does not see Bob among {people}"
    from wire import room_id

    carl.ask("call", room=room_id(), to=wanted["person"], video=True, media={"audio": True, "video": True, "screen": False})
    carl.until(
        lambda: [m for m in carl.heard if m["type"] == "event" and m["kind"] == "invitation" and m["invitation"]["state"] == "busy"],
        "Bob is busy",
    )
    media_goes_on(ann, bob)
    assert bob.report()["call"]["peer"] == ann.name


def test_a_caller_learns_that_the_other_is_in_a_call(person, wire):
    ann = person("Ann")
    bob = wire("Bob")
    ann.click(f"Call {bob.session['name']} with video")
    room = bob.hear("ring")["room"]
    bob.ask("answer", room=room, state="busy")
    ann.sees(f"{bob.session['name']} is in another call")
    idle(ann)


def test_who_is_in_a_call_is_shown_as_such(person):
    ann, bob, carl = person("Ann"), person("Bob"), person("Carl")
    carl.offers(f"Call {ann.name} with video")

    def status(name: str) -> str:
        return carl.run(
            "return [...document.querySelectorAll('[data-testid=person]')].find(e => e.innerText.includes(arguments[0]))?.innerText ?? ''",
            name,
        )

    wait_until(lambda: "Available" in status(ann.name), "Ann is available", seen=carl.describe)
    call(ann, bob)
    wait_until(lambda: "In a call" in status(ann.name) and "In a call" in status(bob.name), "both are in a call", seen=carl.describe)
    ann.click("Hang up")
    wait_until(lambda: "Available" in status(ann.name) and "Available" in status(bob.name), "both are free", seen=carl.describe)


def test_a_cancelled_call_stops_ringing(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    ann.click("Cancel call")
    bob.sees(f"{ann.name} called at")
    bob.offers_no("Decline")
    ann.sees(f"You cancelled the call to {bob.name}")
    idle(ann)
    idle(bob)


def test_both_calling_each_other_at_once_end_in_one_call(person):
    ann, bob = person("Ann"), person("Bob")
    ann.offers(f"Call {bob.name} with video")
    bob.offers(f"Call {ann.name} with video")
    for tab, other in ((ann, bob), (bob, ann)):
        # By script, so that both start within milliseconds; a click waits for the page.
        tab.run("void window.roost.call(arguments[0]).catch(() => {}); return true", other.name)
    rooms = {connected(tab)["room"] for tab in (ann, bob)}
    assert len(rooms) == 1
    for tab in (ann, bob):
        sees_picture(tab)
        assert len(tab.report()["members"]) == 1


def test_two_tabs_of_one_person_ring_together_and_one_answers(person):
    ann, bob = person("Ann"), person("Bob")
    second = bob.browser.new_tab()
    second.name, second.home = bob.name, bob.home
    second.open(f"{bob.home}/?name={bob.name.replace(' ', '%20')}&signin=1")
    second.report_where(lambda r: r["state"] == "signed-in", "the second tab is signed in")
    ann.click(f"Call {bob.name} with video")
    bob.offers("Decline")
    second.offers("Decline")
    accept(second)
    bob.sees("You answered in another tab")
    bob.offers_no("Decline")
    connected(ann)
    sees_picture(ann)
    second.click("Hang up")
    idle(ann)


def test_a_person_with_two_tabs_appears_once_and_stays_until_the_last_closes(person):
    ann, bob = person("Ann"), person("Bob")
    second = bob.browser.new_tab()
    second.open(f"{bob.home}/?name={bob.name.replace(' ', '%20')}&signin=1")
    second.report_where(lambda r: r["state"] == "signed-in", "the second tab is signed in")
    assert [n for n in ann.names("button") if bob.name in n and "video" in n].__len__() == 1
    second.open("about:blank")
    stays_true(lambda: ann.has("button", f"Call {bob.name} with video"), "Bob is there by the first tab", 1.5)
    bob.open("about:blank")
    ann.offers_no(f"Call {bob.name} with video")


def test_a_caller_who_closes_the_page_stops_the_ringing(person):
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    ann.open("about:blank")
    bob.offers_no("Decline")
    bob.sees(f"{ann.name} called at")
    idle(bob)


@pytest.mark.timeout(120)
def test_a_caller_who_vanishes_stops_the_ringing(person, wire):
    bob = person("Bob")
    ann = wire("Ann")
    from wire import room_id

    ann.ask("call", room=room_id(), to=bob.name, video=True, media={"audio": True, "video": True, "screen": False})
    bob.offers("Decline")
    ann.vanish()
    bob.sees(f"{ann.session['name']} called at", timeout=45)
    bob.offers_no("Decline")
    idle(bob)


def test_a_page_that_closes_ends_the_call_for_the_other(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    bob.open("about:blank")
    ann.sees(f"{bob.name} hung up")
    idle(ann)


def test_a_reloaded_page_is_back_in_its_call(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    ann.run("location.reload(); return true")
    wait_until(lambda: ann.report()["call"]["state"] == "connected", "the call is back", 40, seen=ann.describe)
    sees_picture(ann)
    sees_picture(bob)


def test_a_changed_network_is_survived(person):
    ann, bob = tap(person("Ann")), person("Bob")
    call(ann, bob)
    sees_picture(bob)
    path = "return [...pcs.at(-1).localDescription.sdp.matchAll(/^a=ice-ufrag:(.*)$/gm)].map(([, name]) => name)[0]"
    before = ann.run(path)
    ann.run("window.dispatchEvent(new Event('online')); return true")
    wait_until(lambda: ann.run(path) != before, "another path is looked for", seen=ann.describe)
    wait_until(lambda: ann.run("return pcs[0].signalingState") == "stable", "the other one answers")
    media_goes_on(ann, bob)
    connected(ann)
    assert ann.run("return pcs.length") == 1


def test_both_offering_at_once_come_to_one_answer(person):
    ann, bob = tap(person("Ann")), tap(person("Bob"))
    call(ann, bob)
    media_goes_on(ann, bob)
    # A section that only receives: as when a browser wants something new, and it changes nothing of the call.
    offer = "setTimeout(() => pcs[0].addTransceiver('video', {direction: 'recvonly'}), arguments[0] - Date.now()); return true"
    sections = "return pcs[0].signalingState === 'stable' ? [...pcs[0].remoteDescription.sdp.matchAll(/^a=mid:.*/gm)].length : 0"
    for round in range(1, 11):
        # One computer, one clock: both browsers do it in the same millisecond.
        at = time.time() * 1_000 + 300
        for tab in (ann, bob):
            tab.run(offer, at)
        for tab in (ann, bob):
            wait_until(lambda tab=tab, count=2 + 2 * round: tab.run(sections) == count, "both agree on all", 10.0, seen=tab.describe)
        if sum(tab.run("return collisions") for tab in (ann, bob)) > 0:
            break
    else:
        raise AssertionError("in ten rounds the offers never met")
    media_goes_on(ann, bob)
