"""docs/protocol/signal.md, said and heard without a browser."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from wire import Refused, Wire, new_key, room_id, unique

MEDIA = {"audio": True, "video": True, "screen": False}
VOICE = {"audio": True, "video": False, "screen": False}


def place(caller: Wire, callee: Wire, video: bool = True) -> str:
    """The caller calls; ends when it rings."""
    room = room_id()
    answer = caller.ask("call", room=room, to=callee.session["person"], video=video, media=MEDIA)
    assert answer["room"]["room"] == room and answer["self"] in [m["member"] for m in answer["room"]["members"]]
    ring = callee.hear("ring", room=room)
    assert ring["from"] == {"person": caller.session["person"], "name": caller.session["name"], "member": answer["self"]}
    assert ring["video"] is video
    return room


def join(client: Wire, room: str, media: dict | None = None) -> dict:
    return client.ask("join", room=room, kind="call", topology="auto", media=media or MEDIA)


def invitation(client: Wire, room: str, state: str) -> dict:
    def found():
        for message in client.heard:
            if message["type"] == "event" and message["room"] == room and message["kind"] == "invitation":
                if message["invitation"]["state"] == state:
                    return message
        return None

    return client.until(found, f"the invitation is {state}")


# -- signing in


def test_nothing_is_told_before_the_answer_to_hello(cluster):
    """News of others' coming and going would be acknowledged by a client that is not in yet, and it would be cut."""

    def comes_and_goes(_: int) -> None:
        for _ in range(12):
            with Wire(cluster.url()) as client:
                client.hello(unique("Eve"))
                assert client.hear("people")["seq"] == 1
                client.sign_out()

    with ThreadPoolExecutor(8) as people:
        list(people.map(comes_and_goes, range(8)))


def test_hello_gives_a_session(wire):
    ann = wire("Ann")
    session = ann.session
    assert session["name"].startswith("Ann ") and len(session["person"]) == 22
    assert session["session"] and session["token"] and session["resumeSeconds"] == 30
    assert isinstance(session["iceServers"], list) and session["iceServers"], session
    assert any(url.startswith("stun:") for server in session["iceServers"] for url in server["urls"])
    people = ann.hear("people")
    assert ann.session["person"] not in [p["person"] for p in people["list"]]
    assert people["more"] >= 0


def test_fresh_ice_servers_come_when_asked_for_and_with_each_call(wire):
    ann, bob = wire("Ann"), wire("Bob")
    assert ann.session["iceSeconds"] > 0
    asked = ann.ask("ice-servers")
    assert asked["iceServers"] and asked["iceSeconds"] > 0
    room = room_id()
    called = ann.ask("call", room=room, to=bob.session["person"], video=True, media=MEDIA)
    bob.hear("ring", room=room)
    joined = join(bob, room)
    for answer in (called, joined):
        assert [sorted(s) for s in answer["iceServers"]] == [sorted(s) for s in asked["iceServers"]]
        assert answer["iceSeconds"] == asked["iceSeconds"]
    # Names never travel in the clear.
    assert "Ann" not in str(asked) and ann.session["person"] not in str(asked)


def test_a_name_is_trimmed(wire):
    client = wire()
    name = unique("Ann")
    client.hello(f"  {name} ")
    assert client.session["name"] == name


@pytest.mark.parametrize("change", [str.upper, lambda n: n.replace("A", "Ａ"), lambda n: f" {n} "], ids=["case", "width", "blanks"])
def test_names_that_look_alike_are_one_name(wire, change):
    ann = wire("Ann")
    with pytest.raises(Refused) as refused:
        wire().hello(change(ann.session["name"]))
    assert refused.value.code == "name-taken"
    suggestion = refused.value.message["suggestion"]
    assert suggestion and len(suggestion) <= 40
    wire().hello(suggestion)


def test_who_holds_the_key_signs_in_again_as_the_same_person(wire):
    first = wire("Ann")
    second = wire().hello(first.session["name"], first.key)
    assert second.session["person"] == first.session["person"] and second.session["session"] != first.session["session"]


def test_a_name_is_free_again_after_signing_out(wire):
    ann = wire("Ann")
    ann.sign_out()
    wire().hello(ann.session["name"])


def test_a_name_is_free_again_after_a_closed_page(wire):
    ann, bob = wire("Ann"), wire("Bob")
    ann.close(1000)
    bob.until(
        lambda: any(m["type"] == "people-change" and ann.session["person"] in m["left"] for m in bob.heard), "Bob is told that Ann left"
    )
    wire().hello(ann.session["name"])


def test_an_old_version_is_told_so(wire):
    assert wire().refusal("hello", v=99, name=unique("Ann"), key=new_key()) == "version"


def test_signing_in_twice_on_one_socket_is_refused(wire):
    ann = wire("Ann")
    assert ann.refusal("hello", v=1, name=unique("Eve"), key=new_key())


def test_ping_is_answered_by_pong(wire):
    ann = wire("Ann")
    number = ann.start("ping")
    ann.until(lambda: any(m["type"] == "pong" and m["re"] == number for m in ann.other), "a pong")


# -- people


def test_people_come_and_go(wire):
    ann = wire("Ann")
    ann.hear("people")
    bob = wire("Bob")
    ann.until(
        lambda: any(m["type"] == "people-change" and bob.session["person"] in [p["person"] for p in m["joined"]] for m in ann.heard),
        "Ann is told that Bob came",
    )
    assert ann.session["person"] in [p["person"] for p in bob.hear("people")["list"]]
    bob.sign_out()
    ann.until(lambda: any(m["type"] == "people-change" and bob.session["person"] in m["left"] for m in ann.heard), "and left")


def test_who_is_in_a_call_is_busy_for_the_others(wire):
    ann, bob, carl = wire("Ann"), wire("Bob"), wire("Carl")
    carl.hear("people")

    def told(person: str, busy: bool):
        changes = [p for m in carl.heard if m["type"] == "people-change" for p in [*m["joined"], *m["changed"]] if p["person"] == person]
        return bool(changes) and changes[-1]["busy"] is busy

    room = place(ann, bob)
    join(bob, room)
    for person in (ann, bob):
        carl.until(lambda: told(person.session["person"], True), "busy")
    ann.ask("leave", room=room)
    for person in (ann, bob):
        carl.until(lambda: told(person.session["person"], False), "free")


# -- calls


def test_a_call_from_ring_to_end(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    answer = join(bob, room, VOICE)
    state = answer["room"]
    assert {m["person"] for m in state["members"]} == {ann.session["person"], bob.session["person"]}
    assert state["node"].startswith("sfu-") and state["kind"] == "call" and state["topology"] == "auto" and state["epoch"] > 0
    invitation(ann, room, "accepted")
    joined = ann.hear("event", room=room, kind="joined")
    assert joined["member"]["name"] == bob.session["name"] and joined["member"]["media"] == VOICE
    bob.ask("leave", room=room)
    left = ann.hear("event", room=room, kind="left")
    assert left["member"] == answer["self"] and left["reason"] == "hung-up"
    ann.hear("event", room=room, kind="ended")
    assert ann.refusal("send", room=room, to=None, message={"type": "chat", "body": 1})


def test_events_are_numbered_without_a_gap(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    seq = join(bob, room)["room"]["seq"]
    for number in range(30):
        ann.ask("send", room=room, to=None, message={"type": "chat", "body": number})
    numbers, bodies = [], []
    while len(bodies) < 30:
        event = bob.hear("event", room=room)
        numbers.append(event["n"])
        if event["kind"] == "message":
            assert event["from"] and event["message"]["type"] == "chat"
            bodies.append(event["message"]["body"])
    assert bodies == list(range(30))
    assert numbers == sorted(set(numbers)) and numbers[0] > seq - 1


def test_messages_carry_json_as_it_is(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    me = join(bob, room)["self"]
    body = {"sdp": "v=0\r\n" + "a=x\r\n" * 3000, "deep": {"null": None, "number": 1.5, "text": "小雨 \u2028 \" \\"}}
    ann.ask("send", room=room, to=me, message={"type": "description", "body": body})
    event = bob.hear("event", room=room, kind="message")
    assert event["message"] == {"type": "description", "body": body} and event["to"] == me


def test_a_message_over_sixty_kib_is_refused_or_cut(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    join(bob, room)
    number = ann.start("send", room=room, to=None, message={"type": "chat", "body": "x" * 62_000})
    ann.until(lambda: ann.closed or ann.answers.get(number, {}).get("type") == "error", "refused")


@pytest.mark.parametrize("state", ["declined", "busy"])
def test_an_answer_reaches_the_caller(wire, state):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    bob.ask("answer", room=room, state=state)
    invitation(ann, room, state)
    ended = ann.hear("event", room=room, kind="ended")
    assert ended["reason"] in ("not-answered", "hung-up")


def test_a_cancelled_call_stops_ringing(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    ann.ask("leave", room=room)
    end = bob.hear("ring-end", room=room)
    assert end["reason"] == "cancelled" and end["from"]["name"] == ann.session["name"]
    assert bob.refusal("join", room=room, kind="call", topology="auto", media=MEDIA) == "gone"


def test_a_caller_who_signs_out_stops_the_ringing(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    ann.sign_out()
    assert bob.hear("ring-end", room=room)["reason"] in ("cancelled", "caller-gone")


def test_all_sessions_of_a_person_ring_and_one_answers(wire):
    ann, bob = wire("Ann"), wire("Bob")
    second = wire().hello(bob.session["name"], bob.key)
    room = place(ann, bob)
    second.hear("ring", room=room)
    join(second, room)
    assert bob.hear("ring-end", room=room)["reason"] == "answered-elsewhere"


def test_declining_in_one_session_ends_the_ring_in_the_other(wire):
    ann, bob = wire("Ann"), wire("Bob")
    second = wire().hello(bob.session["name"], bob.key)
    room = place(ann, bob)
    second.hear("ring", room=room)
    bob.ask("answer", room=room, state="declined")
    assert second.hear("ring-end", room=room)["reason"] == "declined-elsewhere"
    invitation(ann, room, "declined")


def test_calling_nobody_oneself_or_from_a_call_is_refused(wire):
    ann, bob = wire("Ann"), wire("Bob")
    assert ann.refusal("call", room=room_id(), to="nobody of this name", video=True, media=MEDIA) == "not-found"
    assert ann.refusal("call", room=room_id(), to=ann.session["person"], video=True, media=MEDIA) == "self"
    place(ann, bob)
    assert ann.refusal("call", room=room_id(), to=bob.session["person"], video=True, media=MEDIA) == "busy-self"


def test_a_person_can_be_called_by_name(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = room_id()
    ann.ask("call", room=room, to=bob.session["name"].upper(), video=False, media=VOICE)
    assert bob.hear("ring", room=room)["video"] is False


def test_media_states_are_told(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    join(bob, room)
    bob.ask("update", room=room, media={"audio": False, "video": True, "screen": True})
    assert ann.hear("event", room=room, kind="updated")["member"]["media"] == {"audio": False, "video": True, "screen": True}


def test_every_request_is_idempotent(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = room_id()
    said = {"type": "call", "id": 2, "room": room, "to": bob.session["person"], "video": True, "media": MEDIA}
    ann.send(said)
    ann.count = 2
    first = ann.answer(2)
    bob.hear("ring", room=room)
    del ann.answers[2]
    ann.send(said)
    again = ann.answer(2)
    assert again["self"] == first["self"] and again["room"]["room"] == room
    bob.hears_no("ring", 0.7, room=room)
    assert len(again["room"]["members"]) == 1


# -- dropped sockets


def test_a_dropped_socket_is_resumed_without_a_loss_and_without_a_leave(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    join(bob, room)
    bob.vanish()
    for number in range(10):
        ann.ask("send", room=room, to=None, message={"type": "chat", "body": number})
    back = wire()
    answer = back.resume(bob)
    assert answer["person"] == bob.session["person"] and answer["token"] != bob.session["token"]
    heard = []
    while len(heard) < 10:
        event = back.hear("event", room=room)
        if event["kind"] == "message":
            heard.append(event["message"]["body"])
    assert heard == list(range(10))
    ann.hears_no("event", 0.5, room=room, kind="left")


def test_a_request_repeated_after_a_drop_has_one_effect(wire):
    ann, bob = wire("Ann"), wire("Bob")
    room = place(ann, bob)
    join(bob, room)
    number = ann.start("send", room=room, to=None, message={"type": "chat", "body": "once"})
    ann.answer(number)
    ann.vanish()
    back = wire()
    back.resume(ann)
    back.send({"type": "send", "id": number, "room": room, "to": None, "message": {"type": "chat", "body": "once"}})
    back.answer(number)
    bob.hear("event", room=room, kind="message")
    bob.hears_no("event", 0.7, room=room, kind="message")


def test_a_ring_is_heard_after_a_drop(wire):
    ann, bob = wire("Ann"), wire("Bob")
    bob.hear("people")
    bob.vanish()
    room = room_id()
    ann.ask("call", room=room, to=bob.session["person"], video=True, media=MEDIA)
    back = wire()
    back.resume(bob)
    back.hear("ring", room=room)
    join(back, room)
    ann.hear("event", room=room, kind="joined")


def test_old_and_made_up_tokens_are_refused(wire):
    """The token before the last is good once more, for the answer with the new one may have been lost; older ones are not."""
    ann = wire("Ann")
    ann.vanish()
    second = wire()
    second.resume(ann)
    second.vanish()
    third = wire()
    third.resume(second)
    with pytest.raises(Refused) as refused:
        wire().resume(ann)
    assert refused.value.code == "resume-failed"
    assert wire().refusal("resume", token="x" * 43, seq=0, rooms=[]) == "resume-failed"


def test_resuming_takes_the_session_from_a_socket_that_still_lives(wire):
    """A network that changed leaves the old socket open at signal's end."""
    ann, bob = wire("Ann"), wire("Bob")
    back = wire()
    back.resume(ann)
    room = room_id()
    bob.ask("call", room=room, to=ann.session["person"], video=True, media=MEDIA)
    back.hear("ring", room=room)
    ann.hears_no("ring", 0.3)


def test_a_session_that_signed_out_cannot_be_resumed(wire):
    ann = wire("Ann")
    ann.sign_out()
    with pytest.raises(Refused) as refused:
        wire().resume(ann)
    assert refused.value.code == "resume-failed"


def test_wss_speaks_the_same(cluster):
    if not hasattr(cluster, "https_url"):
        pytest.skip("needs a cluster of its own")
    with Wire(cluster.https_url()) as client:
        client.hello(unique("Ann"))
        assert client.session["session"]
