"""The way between a page and its room's node: what comes of it when networks, or other members, are unkind."""

import secrets

import pytest

from browsers import Tab
from calls import sees_picture
from rooms import meets
from taps import connections, cut_socket, fail_connection, let_socket_back, tap
from waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def room() -> str:
    return f"ways-{secrets.token_hex(3)}"


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann")` is somebody in the room whose page is tapped."""

    def enter(name: str, kind: str = "chromium calm", before: str = "return true") -> Tab:
        tab = browser(kind)
        tab.name, tab.home = f"{name} {secrets.token_hex(2)}", cluster.url()
        tab.open(f"{tab.home}/room/{room}?name={tab.name.replace(' ', '%20')}")
        tab.offers("Enter the room")
        tap(tab).run(before)
        tab.click("Enter the room")
        tab.report_where(lambda r: r["room"] == room, f"{tab.name} is in the room {room}")
        return tab

    return enter


def shown(tab: Tab) -> int:
    """Pictures that the first other member has here."""
    return int(tab.run("return roost.members[0].stream?.getVideoTracks().length ?? 0"))


def test_a_connection_made_while_the_socket_was_away_shows_what_it_carries(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    sees_picture(ann)
    for _ in range(3):
        for on, tracks in ((False, 0), (True, 1)):
            bob.run("await roost.setCamera(arguments[0]); return true", on)
            wait_until(lambda tracks=tracks: shown(ann) == tracks, "the node told it", seen=ann.describe)
    sees_picture(ann)

    cut_socket(ann)
    bob.run("await roost.setCamera(false); return true")
    frames = [-1]

    def stands() -> bool:
        frames.append(ann.report()["members"][0]["video"]["framesDecoded"])
        return frames[-1] == frames[-2]

    wait_until(stands, "the node took Bob's picture away, and could not tell", every=0.6)
    fail_connection(ann)
    let_socket_back(ann)
    bob.run("await roost.setCamera(true); return true")
    wait_until(lambda: shown(ann) == 1, "the new connection has Bob's picture", 15.0, seen=ann.report)
    sees_picture(ann)


def test_nobody_can_ask_for_a_straight_way_in_a_room_on_a_node(enters, wire, room):
    ann = enters("Ann")
    member = ann.run("return roost.me.member")
    mal = wire("Mal")
    mal.ask("join", room=room, kind="room", topology="sfu", media={"audio": True, "video": True, "screen": False})
    mal.ask("send", room=room, to=member, message={"type": "restart", "body": {"link": "zz"}})
    mal.ask("send", room=room, to=None, message={"type": "chat", "body": {"text": "did it work?"}})
    wait_until(lambda: ann.run("return roost.chat.length") == 1, "Ann heard all that was said before", seen=ann.describe)
    assert connections(ann) == 1
    mal.hears_no("event", 0.5, kind="message")
