"""Rooms of many, as docs/protocol/signal.md has them, without a browser: hosts, locks, chat, and the way to the node's media."""

import secrets
import ssl
import time
import urllib.request

import pytest

from wire import Refused, Wire, room_id

MEDIA = {"audio": True, "video": True, "screen": False}


def name() -> str:
    return "room." + secrets.token_urlsafe(9)


def enter(client: Wire, room: str) -> dict:
    """Joins a room of kind `room`; gives back the answer."""
    return client.ask("join", room=room, kind="room", topology="sfu", media=MEDIA)


def roles(state: dict) -> dict[str, str]:
    return {m["member"]: m["role"] for m in state["members"]}


def say(client: Wire, room: str, text: str) -> int:
    return client.ask("send", room=room, to=None, message={"type": "chat", "body": {"text": text}})["seq"]


@pytest.fixture
def trio(wire):
    """Three in a room that Ann made: the room, and each with its member id."""
    room = name()
    people = [wire(each) for each in ("Ann", "Bob", "Cy")]
    members = [enter(each, room)["self"] for each in people]
    return room, *zip(people, members, strict=True)


def test_who_makes_a_room_is_its_host_and_the_next_one_after_it_left(trio):
    room, (ann, a), (bob, b), (cy, c) = trio
    bob.hear("event", kind="joined", room=room)
    ann.ask("leave", room=room)
    assert cy.hear("event", kind="left")["reason"] == "hung-up"
    update = cy.hear("event", kind="updated")["member"]
    assert (update["member"], update["role"]) == (b, "host")
    assert roles(enter(ann, room)["room"])[b] == "host"


def test_only_a_host_moderates(trio):
    room, (ann, a), (bob, b), (cy, c) = trio
    for action, member in (("mute", c), ("remove", c), ("lock", None), ("unlock", None)):
        assert bob.refusal("moderate", room=room, member=member, action=action) == "not-allowed"
    assert ann.refusal("moderate", room=room, member="m-nobody", action="mute") == "gone"
    assert ann.refusal("moderate", room=room, member=a, action="remove") == "bad-request"
    assert ann.refusal("moderate", room=room, member=b, action="promote") == "bad-request"
    assert ann.refusal("moderate", room=room, action="mute") == "bad-request"
    cy.hears_no("event", 0.3, kind="left")


def test_a_removed_member_is_out_for_good(trio, wire):
    room, (ann, _), (bob, b), (cy, _) = trio
    ann.ask("moderate", room=room, member=b, action="remove")
    for each in (ann, bob, cy):
        left = each.hear("event", kind="left")
        assert (left["member"], left["reason"]) == (b, "removed")
    assert bob.refusal("send", room=room, to=None, message={"type": "chat", "body": 1}) == "gone"
    assert bob.refusal("join", room=room, kind="room", topology="sfu", media=MEDIA) == "removed"
    again = wire().hello(bob.session["name"], bob.key)
    assert again.refusal("join", room=room, kind="room", topology="sfu", media=MEDIA) == "removed"
    # Elsewhere it is as welcome as before.
    enter(bob, name())


def test_who_vanishes_without_a_word_is_shown_as_away_within_thirty_seconds_and_may_come_back(trio):
    room, (ann, _), (bob, b), (_, _) = trio
    silent = time.monotonic()
    bob.fall_silent()
    away = ann.hear("event", timeout=40, kind="updated", room=room)["member"]
    took = time.monotonic() - silent
    assert (away["member"], away["away"]) == (b, True)
    assert took < 30, f"shown after {took:.1f} s"
    with Wire(bob.url) as again:
        again.resume(bob)
        back = ann.hear("event", kind="updated", room=room)["member"]
        assert (back["member"], back["away"]) == (b, False)


def test_into_a_locked_room_comes_only_who_was_there(trio, wire):
    room, (ann, _), (bob, b), (cy, _) = trio
    bob.ask("leave", room=room)
    ann.ask("moderate", room=room, member=None, action="lock")
    locked = cy.hear("event", kind="locked")
    assert locked["locked"] is True and locked["by"] == ann.session["name"]
    dan = wire("Dan")
    with pytest.raises(Refused) as refused:
        enter(dan, room)
    assert refused.value.code == "locked"
    assert enter(bob, room)["room"]["locked"] is True
    ann.ask("moderate", room=room, member=None, action="unlock")
    assert enter(dan, room)["room"]["locked"] is False


def test_a_host_changes_the_topology_and_anybody_in_a_call(trio, wire):
    room, (ann, _), (bob, _), (cy, _) = trio
    assert bob.refusal("topology", room=room, topology="mesh") == "not-allowed"
    assert ann.refusal("topology", room=room, topology="star") == "bad-request"
    assert ann.refusal("topology", room=name(), topology="mesh") == "gone"
    ann.ask("topology", room=room, topology="mesh")
    for each in (ann, bob, cy):
        changed = each.hear("event", kind="topology")
        assert (changed["topology"], changed["by"]) == ("mesh", ann.session["name"])
    assert enter(wire("Dan"), room)["room"]["topology"] == "mesh"


def test_who_was_in_a_call_is_rung_again_each_time(wire):
    ann, bob, cy = wire("Ann"), wire("Bob"), wire("Cy")
    room = room_id()
    ann.ask("call", room=room, to=bob.session["name"], video=True, media=MEDIA)
    bob.hear("ring", room=room)
    bob.ask("join", room=room, kind="call", topology="auto", media=MEDIA)
    for _ in range(12):
        ann.ask("call", room=room, to=cy.session["name"], video=True, media=MEDIA)
        cy.hear("ring", timeout=5, room=room)
        cy.ask("join", room=room, kind="call", topology="auto", media=MEDIA)
        cy.ask("leave", room=room)


def test_a_muted_member_is_told_by_whom(trio):
    room, (ann, _), (bob, b), (cy, _) = trio
    ann.ask("moderate", room=room, member=b, action="mute")
    told = bob.hear("media", room=room, kind="muted-by")
    assert told["by"] == ann.session["name"] and "n" not in told
    for other in (ann, cy):
        other.hears_no("media", 0.3)


def test_a_listener_sends_nothing_until_a_host_lets_it_speak(trio, wire):
    room, (ann, _), (bob, b), (cy, c) = trio
    dan = wire("Dan")
    answer = dan.ask("join", room=room, kind="room", topology="sfu", media=MEDIA, role="listener")
    d = answer["self"]
    silent = {"audio": False, "video": False, "screen": False}
    told = ann.hear("event", kind="joined", room=room, timeout=20)
    while told["member"]["member"] != d:
        told = ann.hear("event", kind="joined", room=room)
    assert (told["member"]["role"], told["member"]["media"]) == ("listener", silent)
    assert dan.refusal("update", room=room, media=MEDIA) == "not-allowed"
    track = [{"mid": "0", "source": "microphone", "muted": False}]
    assert dan.refusal("publish", room=room, tracks=track) == "not-allowed"
    assert dan.refusal("moderate", room=room, member=d, action="speak") == "not-allowed"
    dan.ask("send", room=room, to=None, message={"type": "hand", "body": {"up": True}})

    ann.ask("moderate", room=room, member=d, action="speak")
    assert dan.hear("event", kind="updated")["member"]["role"] == "speaker"
    dan.ask("update", room=room, media=MEDIA)
    dan.ask("publish", room=room, tracks=track)

    ann.ask("moderate", room=room, member=b, action="listen")
    member = bob.hear("event", kind="updated", timeout=20)["member"]
    while member["member"] != b:
        member = bob.hear("event", kind="updated")["member"]
    assert (member["role"], member["media"]) == ("listener", silent)
    assert bob.refusal("publish", room=room, tracks=track) == "not-allowed"
    # A socket lost and found again changes nothing of that, nor does going out and coming in again.
    bob.vanish()
    with Wire(bob.url) as again:
        again.resume(bob)
        assert again.refusal("publish", room=room, tracks=track) == "not-allowed"
        assert again.refusal("update", room=room, media=MEDIA) == "not-allowed"
        again.ask("leave", room=room)
        back = again.ask("join", room=room, kind="room", topology="sfu", media=MEDIA)
        assert roles(back["room"])[back["self"]] == "listener"


def test_late_comers_find_the_chat(trio, wire):
    room, (ann, a), (bob, b), (cy, _) = trio
    first = say(ann, room, "hi")
    bob.ask("send", room=room, to=a, message={"type": "chat", "body": {"text": "psst"}})
    bob.ask("send", room=room, to=None, message={"type": "hand", "body": {"up": True}})
    cy.hear("event", kind="message", message={"type": "hand", "body": {"up": True}})
    cy.ask("send", room=room, to=None, message={"type": "reaction", "body": {"emoji": "\U0001f389"}})
    second = say(bob, room, "\u2028 </script>")
    bob.ask("leave", room=room)
    chat = enter(wire("Dan"), room)["room"]["chat"]
    assert [(line["n"], line["from"], line["name"], line["body"]["text"]) for line in chat] == [
        (first, a, ann.session["name"], "hi"),
        (second, b, bob.session["name"], "\u2028 </script>"),
    ]
    assert all(line["at"] > 1_600_000_000_000 for line in chat)
    for number in range(230):
        say((ann, cy)[number % 2], room, f"{number}")
        # Slower than a flood.
        time.sleep(0.012)
    chat = enter(wire("Eve"), room)["room"]["chat"]
    assert [line["body"]["text"] for line in chat] == [f"{number}" for number in range(30, 230)]


def test_what_is_no_offer_is_refused(trio):
    room, (ann, _), _, _ = trio
    for fields in (
        {"n": 0, "sdp": "v=0"}, {"n": 1}, {"n": 1, "sdp": ""}, {"n": 1.5, "sdp": "v=0"}, {"sdp": "v=0"}, {"n": 1, "sdp": ["v=0"]},
    ):  # fmt: skip
        assert ann.refusal("offer", room=room, **fields) == "bad-request"
    assert ann.refusal("offer", room=name(), n=1, sdp="v=0") == "gone"
    assert ann.refusal("answered", room=room) == "bad-request"
    for tracks in ([{"mid": "0"}], [{"source": "camera"}], [{"mid": "0", "source": "nose"}], None, "x"):
        assert ann.refusal("publish", room=room, tracks=tracks) == "bad-request"
    for tiles in ([{"member": "m", "source": "microphone", "width": 1, "height": 1}], [{"member": "m", "source": "camera"}], None):
        assert ann.refusal("view", room=room, tiles=tiles) == "bad-request"


def test_only_an_offer_may_be_long(wire):
    room = name()
    ann, bob = wire("Ann"), wire("Bob")
    limits = ann.session["limits"]
    assert limits["offer"] > limits["frame"] == 65536
    enter(ann, room)
    # As a description it is not worth an answer; as a message it is taken.
    assert ann.refusal("offer", room=room, n=1, sdp="v=0\r\n" + "a=x\r\n" * 20_000) in ("bad-request", "unavailable")
    bob.start_too_long("send", room=room, to=None, message={"type": "chat", "body": "x" * 70_000})
    assert bob.hear_close()[0] == 1008
    assert bob.other[-1]["code"] == "oversize"
    ann.start_too_long("offer", room=room, n=2, sdp="x" * 300_000)
    assert ann.hear_close()[0] in (1008, 1009)


@pytest.mark.parametrize("cut", [0, 1, 3], ids=["whole", "half", "torn"])
def test_a_description_that_is_none_is_refused_at_once(trio, cut):
    room, (ann, _), _, _ = trio
    sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
    sdp = [sdp, sdp[: len(sdp) // 2], "", sdp.replace("\r\n", "\x00")][cut]
    assert ann.refusal("offer", 5, room=room, n=1, sdp=sdp) in ("bad-request", "unavailable")


def test_the_page_of_a_room_is_served_at_its_address(cluster):
    strangers = ssl.create_default_context()
    strangers.check_hostname = False
    strangers.verify_mode = ssl.CERT_NONE
    with urllib.request.urlopen(cluster.url() + "/room/blue.1?name=Ann&join=1", context=strangers) as page:
        assert page.headers["Content-Type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
