"""A room of many whose node, or one of whose signals, is killed: who is host, who is out, the lock and the chat stay as they were."""

import secrets
import signal

import pytest

from waiting import wait_until
from wire import Refused, Wire

MEDIA = {"audio": True, "video": True, "screen": False}


def enter(client: Wire, room: str) -> dict:
    return client.ask("join", room=room, kind="room", topology="sfu", media=MEDIA)


def entered_again(client: Wire, room: str) -> dict:
    """Joins as soon as it can be: a node may have just died."""

    def attempt() -> dict | None:
        try:
            return enter(client, room)
        except Refused as refused:
            assert refused.code in ("unavailable", "gone"), refused
            return None

    return wait_until(attempt, "the room can be joined again")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_a_room_is_on_its_next_node_what_it_was_on_the_last(wire, cluster, how):
    room = "r-" + secrets.token_urlsafe(9)
    ann, bob, cy = (wire(name) for name in ("Ann", "Bob", "Cy"))
    state, a = (answer := enter(ann, room))["room"], answer["self"]
    b, c = enter(bob, room)["self"], enter(cy, room)["self"]
    said = [bob.ask("send", room=room, to=None, message={"type": "chat", "body": {"text": f"{n}"}})["seq"] for n in range(3)]
    ann.ask("moderate", room=room, member=c, action="remove")
    cy.hear("event", kind="left", member=c, reason="removed")
    ann.ask("moderate", room=room, member=None, action="lock")
    for each in (ann, bob):
        each.hear("event", kind="locked", locked=True)

    old = cluster.kill(state["node"], how)
    for each in (ann, bob):
        new = each.hear("room", recovering=True)["state"]
        assert (new["room"], new["locked"]) == (room, True)
        assert [(line["n"], line["body"]["text"]) for line in new["chat"]] == [(n, f"{i}") for i, n in enumerate(said)]
    cluster.wait_restarted(state["node"], old)
    assert cy.refusal("join", room=room, kind="room", topology="sfu", media=MEDIA) == "removed"
    assert wire("Dan").refusal("join", room=room, kind="room", topology="sfu", media=MEDIA) == "locked"
    # Who was there is in again, Ann is still the host, and what she says goes.
    whole = entered_again(bob, room)["room"]
    assert {m["member"]: m["role"] for m in whole["members"]} == {a: "host", b: "speaker"}
    ann.ask("moderate", room=room, member=None, action="unlock")
    assert bob.hear("event", kind="locked", locked=False)["by"] == ann.session["name"]
    cy.hears_no("room", 0.3)
    enter(wire("Eve"), room)
