"""A call of two grows by a third onto a node, and is straight again when two are left: nobody's picture or sound stands meanwhile."""

import pytest

from calls import call
from rooms import enter
from standstill import forget, member_id, speak_evenly, stood, watch
from taps import connections, enter_tapped, tap
from waiting import stays_true, wait_until

# What this page sends to a node has no picture.
LOST_PICTURE = """
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (track, init) {
    const isCamera = init?.direction === 'sendonly' && (track.kind ?? track) === 'video';
    const made = add.call(this, isCamera ? 'video' : track, init);
    if (isCamera) made.sender.replaceTrack = async () => {};
    return made;
  };
  return true;
"""

# When (performance.now()) there were two again, and when their media went straight.
ALONE = """
  globalThis.alone = {};
  const look = () => {
    if (roost.members.length !== 1) return;
    alone.two ??= performance.now();
    if (roost.members[0].straight) alone.straight ??= performance.now();
  };
  roost.addEventListener("change", look);
  setInterval(look, 50);
  return true;
"""


def goes_on(tab, member: str) -> None:
    """No standstill of a member's picture and sound so far, but what a page that gets no processor cannot help: `make bench-growing` has the
    figures of a quiet machine."""
    longest: dict[str, float] = {}

    def is_short() -> bool:
        longest.update(stood(tab, member))
        return longest["picture"] < 300 + 2 * longest["page"] and longest["sound"] < 150 + longest["page"]

    # What ended a moment ago stands now.
    stays_true(is_short, f"{tab.name} has no standstill: {longest}", 1.0)
    print(tab.name, {kind: round(ms) for kind, ms in longest.items()})


@pytest.mark.browser
def test_a_call_of_two_grows_to_three_and_shrinks_again(person):
    ann, bob, cem = (person(name) for name in ("Ann", "Bob", "Cem"))
    for tab in (ann, bob, cem):
        speak_evenly(tap(tab))
    call(ann, bob)
    ann.report_where(lambda r: r["members"] and r["members"][0]["video"]["framesDecoded"] > 20, "Ann sees Bob")
    bob_id, ann_id = member_id(ann, bob.name), member_id(bob, ann.name)
    watch(ann)
    watch(bob)

    ann.click("Add a person")
    ann.click(f"Add {cem.name} to the call")
    cem.sees(f"{ann.name} is calling")
    ann.sees("Ringing")
    cem.click("Accept with video")
    for tab, others in ((ann, [bob, cem]), (bob, [ann, cem]), (cem, [ann, bob])):
        names = sorted(other.name for other in others)
        tab.report_where(
            lambda r, names=names: sorted(m["name"] for m in r["members"]) == names
            and all(m["video"]["framesDecoded"] > 5 and m["audio"]["packetsReceived"] > 10 for m in r["members"])
            and r["streams"] == {"up": 1, "down": 2, "theory": {"up": 1, "down": 2, "room": 9}}
            and r["call"]["state"] == "connected",
            f"{tab.name} is carried by the node",
            60.0,
        )
    for tab in (ann, bob):
        wait_until(lambda tab=tab: connections(tab) == 1, f"{tab.name}'s media goes to the node alone", 60.0, seen=tab.describe)
    goes_on(ann, bob_id)
    goes_on(bob, ann_id)
    for tab in (ann, bob):
        # While the straight way stood, only the smallest picture went beside it.
        wait_until(
            lambda tab=tab: any(each["rid"] != "l" and each["bps"] > 0 for each in tab.run("return roost.statistics().sent.video.layers")),
            f"{tab.name} sends a larger picture to the node",
            30.0,
            seen=tab.describe,
        )

    bob.click("Share screen")
    ann.sees(f"{bob.name} shares a screen")
    wait_until(
        lambda: ann.run(
            "const bob = roost.members.find((each) => each.member === arguments[0]);"
            "const video = document.querySelector(`[data-member='${arguments[0]}'] video`);"
            "return bob.screenStream !== null && video.srcObject === bob.screenStream && video.videoWidth > 0",
            bob_id,
        ),
        "Ann sees Bob's screen",
        30.0,
        seen=ann.describe,
    )
    bob.click("Stop sharing screen")
    ann.sees_no(f"{bob.name} shares a screen")
    frames = ann.report()["members"][0]["video"]["framesDecoded"]
    ann.report_where(lambda r: r["members"][0]["video"]["framesDecoded"] > frames + 20, "Bob's camera is back")
    for tab in (ann, bob):
        forget(tab)

    for tab in (ann, bob):
        tab.run(ALONE)
    cem.click("Hang up")
    for tab, other in ((ann, bob), (bob, ann)):
        tab.report_where(
            lambda r, other=other: [m["name"] for m in r["members"]] == [other.name] and r["streams"]["theory"] == {"up": 1, "down": 1, "room": 2},
            "straight again after ten seconds",
            40.0,
        )
        # A third who is back soon must find the node.
        two, straight = tab.run("return [alone.two, alone.straight]")
        assert straight - two > 8_000, f"{tab.name} was forwarded for {straight - two:.0f} ms only"
        wait_until(lambda tab=tab: connections(tab) == 1, f"{tab.name}'s way to the node is closed", 60.0, seen=tab.describe)
    goes_on(ann, bob_id)
    goes_on(bob, ann_id)
    cem.sees("You ended the call")
    ann.click("Hang up")
    bob.sees(f"{ann.name} hung up")


# The other's word that it is carried does not arrive: this page keeps its straight way, which ends at the other end. Its clock is slow, so
# that it does not give up waiting for that word meanwhile.
UNTOLD = """
  const clocks = [performance, Date].map((clock) => [clock, clock.now]);
  for (const [clock, tells] of clocks) {
    const now = tells.bind(clock);
    const began = now();
    clock.now = () => began + Math.round((now() - began) / 10);
  }
  const parse = JSON.parse;
  globalThis.asUsual = () => {
    JSON.parse = parse;
    for (const [clock, tells] of clocks) clock.now = tells;
  };
  JSON.parse = (text) => {
    const message = parse(text);
    if (message?.message?.body?.carried) delete message.message.body.carried;
    return message;
  };
  return true;
"""


@pytest.mark.browser
def test_a_straight_way_that_ended_at_one_end_is_made_anew_when_the_third_leaves(person):
    ann, bob, cem = (person(name) for name in ("Ann", "Bob", "Cem"))
    tap(ann).run(UNTOLD)
    tap(bob)
    call(ann, bob)
    ann.report_where(lambda r: r["members"] and r["members"][0]["video"]["framesDecoded"] > 5, "Ann sees Bob")
    bob.run("await roost.add(arguments[0]); return true", cem.name)
    cem.click("Accept with video")
    # Bob has heard that Ann is carried, and has only the node's; Ann waits for Bob's word with both.
    wait_until(lambda: connections(bob) == 1, "Bob's media goes to the node alone", 60.0, seen=bob.describe)
    assert connections(ann) == 2, ann.describe()
    cem.click("Hang up")
    ann.report_where(lambda r: len(r["members"]) == 1, "Cem has left")
    ann.run("asUsual(); return true")
    for tab in (ann, bob):
        wait_until(
            lambda tab=tab: connections(tab) == 1
            and tab.run("return roost.members.length === 1 && roost.members[0].straight && roost.members[0].state === 'connected'"),
            f"{tab.name} is straight again",
            60.0,
            seen=tab.describe,
        )
        frames = tab.report()["members"][0]["video"]["framesDecoded"]
        tab.report_where(lambda r, frames=frames: r["members"][0]["video"]["framesDecoded"] > frames + 10, "the picture moves", 30.0)


@pytest.mark.browser
def test_who_adds_learns_why_nobody_came_and_the_call_goes_on(person):
    ann, bob, cem = person("Ann"), person("Bob"), person("Cem")
    call(ann, bob)
    ann.press("p")
    ann.click(f"Add {cem.name} to the call")
    cem.sees(f"{ann.name} is calling")
    cem.click("Decline")
    ann.sees(f"{cem.name} declined the call")
    report = ann.report()
    assert [m["name"] for m in report["members"]] == [bob.name]
    assert report["call"]["state"] == "connected"


@pytest.mark.browser
def test_a_hidden_page_grows_too_and_who_stays_is_who_one_talks_with(person):
    ann, bob, cem = (person(name) for name in ("Ann", "Bob", "Cem"))
    tap(ann).run(LOST_PICTURE)
    tap(bob)
    call(ann, bob)
    ann.run("Object.defineProperty(document, 'hidden', {get: () => true}); document.dispatchEvent(new Event('visibilitychange')); return true")
    ann.run("await roost.add(arguments[0]); return true", cem.name)
    cem.click("Accept with video")
    ann.report_where(lambda r: len(r["members"]) == 2, "three are in the call")
    wait_until(lambda: connections(ann) == 1, "what Ann does not see is no reason to send straight for ever", 60.0, seen=ann.describe)
    wait_until(lambda: connections(bob) == 1, "nor is a picture that does not come through the node", 60.0, seen=bob.describe)
    for member in ann.report_where(lambda r: all(m["audio"]["packetsReceived"] > 10 for m in r["members"]), "Ann hears both")["members"]:
        assert member["state"] == "connected"

    bob.click("Hang up")
    ann.report_where(lambda r: r["call"]["peer"] == cem.name, "the call is with Cem now")
    cem.click("Hang up")
    ann.sees(f"{cem.name} hung up")


def has_only(tab, ways: int) -> None:
    wait_until(lambda: connections(tab) == ways, f"{tab.name} has {ways} connections and no other", 60.0, seen=tab.describe)


def goes(tab, others, *, straight: bool) -> None:
    """Sees all the others, all of them this way."""
    names = sorted(other.name for other in others)
    up = len(names) if straight else 1
    tab.report_where(
        lambda r: sorted(m["name"] for m in r["members"]) == names
        and all(m["video"]["framesDecoded"] > 5 for m in r["members"])
        and r["streams"]["up"] == r["streams"]["theory"]["up"] == up
        and (r["topology"] == "sfu") is not straight
        and tab.run("return roost.members.every((each) => each.straight === arguments[0])", straight),
        f"{tab.name} goes {'straight to' if straight else 'by the node to'} {names}",
        60.0,
    )


@pytest.mark.browser
def test_a_call_goes_onto_a_node_and_back_by_a_word(person):
    ann, bob = tap(person("Ann")), person("Bob", "firefox")
    call(ann, bob)
    goes(ann, [bob], straight=True)
    assert bob.run("return roost.setTopology('sfu').then(() => null, (error) => error.code)") is None
    goes(ann, [bob], straight=False)
    goes(bob, [ann], straight=False)
    has_only(ann, 1)
    assert ann.run("return roost.setTopology('mesh').then(() => null, (error) => error.code)") is None
    goes(ann, [bob], straight=True)
    goes(bob, [ann], straight=True)
    has_only(ann, 1)
    ann.click("Hang up")
    bob.sees(f"{ann.name} hung up")


@pytest.mark.browser
def test_a_speaker_and_a_listener_go_over_to_a_node_when_a_third_comes(browser, cluster, room):
    ann = enter_tapped(browser(), cluster.url(), room, "Ann")
    assert ann.run("return roost.setTopology('auto').then(() => null, (error) => error.code)") is None
    lea = enter(browser(), cluster.url(), room, "Lea", "&role=listener")
    lea.report_where(lambda r: len(r["members"]) == 1 and r["members"][0]["video"]["framesDecoded"] > 10, "Lea sees Ann")
    wait_until(lambda: ann.run("return roost.members.length === 1 && roost.members[0].straight"), "straight to the listener", 60.0, seen=ann.describe)
    bob = enter(browser(), cluster.url(), room, "Bob")
    for tab in (lea, bob):
        tab.report_where(
            lambda r: any(m["name"] == ann.name and m["video"]["framesDecoded"] > 10 for m in r["members"]) and r["streams"]["theory"]["room"] == 9,
            f"{tab.name} sees Ann",
            60.0,
        )
    # The straight way to who sends nothing ends as well, and then more than the smallest picture goes to the node.
    has_only(ann, 1)
    wait_until(
        lambda: any(each["rid"] != "l" and each["bps"] > 0 for each in ann.run("return roost.statistics().sent.video.layers")),
        "Ann sends a larger picture to the node",
        30.0,
        seen=ann.describe,
    )


@pytest.mark.browser
def test_a_room_becomes_a_mesh_and_is_forwarded_again(browser, cluster, room):
    ann, bob, cem = everyone = [enter_tapped(browser(), cluster.url(), room, name) for name in ("Ann", "Bob", "Cem")]
    for tab in everyone:
        goes(tab, [other for other in everyone if other is not tab], straight=False)
    code = "return roost.setTopology(arguments[0]).then(() => null, (error) => error.code)"
    for tab in everyone:
        tab.run("globalThis.told = 0; const s = sockets.at(-1); const send = s.send; s.send = function (text) { if (text.includes('\"carried\"')) told++; return send.call(this, text); }; return true")
    assert bob.run(code, "mesh") == "not-allowed"
    assert ann.run(code, "mesh") is None
    for tab in everyone:
        goes(tab, [other for other in everyone if other is not tab], straight=True)
        has_only(tab, 2)
        # Each tells each of the others once or twice that it is carried: not as long as the way back takes.
        assert tab.run("return told") <= 8
    assert ann.run(code, "sfu") is None
    for tab in everyone:
        goes(tab, [other for other in everyone if other is not tab], straight=False)
        has_only(tab, 1)
