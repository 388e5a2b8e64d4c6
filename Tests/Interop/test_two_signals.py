"""The caller on one signal, the callee on the other: nothing is different."""

import pytest

from calls import accept, call, connected, hears, idle, media_goes_on, ring, sees_picture
from waiting import stays_true
from wire import Wire, room_id

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def signals() -> int:
    return 2


def test_people_on_different_signals_see_each_other_live(person):
    ann, bob = person("Ann", on=1), person("Bob", on=2)
    ann.offers(f"Call {bob.name} with video")
    bob.offers(f"Call {ann.name} with video")
    bob.open("about:blank")
    ann.offers_no(f"Call {bob.name} with video")


def test_a_call_between_signals(person):
    ann, bob = person("Ann", on=1), person("Bob", on=2)
    ring(ann, bob)
    accept(bob)
    for tab in (ann, bob):
        connected(tab)
        hears(tab)
        sees_picture(tab)
    bob.click("Hang up")
    ann.sees(f"{bob.name} hung up")
    idle(bob)


def test_cancel_and_decline_between_signals(person):
    ann, bob = person("Ann", on=1), person("Bob", on=2)
    ring(ann, bob)
    ann.click("Cancel call")
    bob.sees(f"{ann.name} called at")
    idle(bob)
    ring(bob, ann)
    ann.click("Decline")
    bob.sees(f"{ann.name} declined")
    idle(bob)


def test_crossing_calls_between_signals_end_in_one(person):
    ann, bob = person("Ann", on=1), person("Bob", on=2)
    ann.offers(f"Call {bob.name} with video")
    bob.offers(f"Call {ann.name} with video")
    for tab, other in ((ann, bob), (bob, ann)):
        tab.run("void window.roost.call(arguments[0]).catch(() => {}); return true", other.name)
    assert len({connected(tab)["room"] for tab in (ann, bob)}) == 1
    sees_picture(ann)
    sees_picture(bob)


def test_a_name_in_use_at_one_signal_is_in_use_at_the_other(wire):
    ann = wire("Ann", on=1)
    other = wire(on=2)
    assert other.refusal("hello", v=1, name=ann.session["name"], key="x" * 32) == "name-taken"


def test_a_call_to_someone_busy_at_another_signal_is_told_to_them(wire):
    ann, bob, carl = wire("Ann", on=1), wire("Bob", on=2), wire("Carl", on=1)
    media = {"audio": True, "video": True, "screen": False}
    room = room_id()
    ann.ask("call", room=room, to=bob.session["person"], video=True, media=media)
    bob.hear("ring", room=room)
    bob.ask("join", room=room, kind="call", topology="auto", media=media)
    ann.hear("event", room=room, kind="joined")
    other = room_id()
    carl.ask("call", room=other, to=bob.session["person"], video=False, media=media)
    missed = bob.hear("missed", room=other)
    assert missed["reason"] == "busy" and missed["video"] is False and missed["at"] > 1.7e12
    assert missed["from"] | {"member": ""} == {"person": carl.session["person"], "name": carl.session["name"], "member": ""}
    assert not [m for m in bob.heard if m["type"] == "ring" and m["room"] == other]


def test_a_session_is_resumed_at_the_other_signal_without_a_message_lost(wire, cluster):
    ann, bob = wire("Ann", on=1), wire("Bob", on=1)
    room = room_id()
    ann.ask("call", room=room, to=bob.session["person"], video=True, media={"audio": True, "video": True, "screen": False})
    bob.hear("ring", room=room)
    bob.ask("join", room=room, kind="call", topology="auto", media={"audio": True, "video": True, "screen": False})
    ann.hear("event", room=room, kind="joined")
    bob.vanish()
    for number in range(20):
        ann.ask("send", room=room, to=None, message={"type": "chat", "body": {"number": number}})
    back = Wire(cluster.url(2))
    try:
        back.resume(bob)
        heard = []
        while len(heard) < 20:
            event = back.hear("event", room=room)
            if event["kind"] == "message":
                heard.append(event["message"]["body"]["number"])
            assert event["kind"] != "ended"
        assert heard == list(range(20))
        ann.hears_no("event", 1.0, room=room, kind="left")
        assert back.ask("send", room=room, to=None, message={"type": "chat", "body": "still here"})["seq"]
        ann.until(
            lambda: any(m["type"] == "event" and m["kind"] == "message" and m["message"]["body"] == "still here" for m in ann.heard),
            "the word of the one who is back",
        )
        # What waited at the first signal and what the room's node still knows are the same events: each came once.
        back.hears_no("event", 1.0, room=room, kind="message")
    finally:
        back.close()


def test_a_signal_that_is_asked_to_end_is_left_without_a_leave(person, cluster):
    """SIGTERM: its pages resume elsewhere (here: at the same address, once it is back), and nobody sees a leave."""
    if not hasattr(cluster, "kill"):
        pytest.skip("needs a cluster of its own")
    import signal as signals

    ann, bob, carl = person("Ann", on=1), person("Bob", on=2), person("Carl", on=2)
    call(ann, bob)
    carl.offers(f"Call {ann.name} with video")
    carl.run(
        "window.left = []; new MutationObserver(() => { if (![...document.querySelectorAll('[data-name]')]"
        ".some(e => e.dataset.name === arguments_name)) window.left.push(Date.now()); }).observe(document.body, {subtree: true, childList: true});"
        .replace("arguments_name", repr(ann.name)) + "return true"
    )
    old = cluster.kill("signal-1", signals.SIGTERM)
    cluster.wait_restarted("signal-1", old)
    ann.report_where(lambda r: r["connection"] == "open", "Ann's page is connected again")
    media_goes_on(ann, bob)
    stays_true(lambda: bob.report()["members"][0]["name"] == ann.name and bob.report()["call"] is not None, "Bob sees no leave", 2)
    assert carl.run("return window.left") == []
    ann.click("Hang up")
    bob.sees(f"{ann.name} hung up")
