"""The way between a page and its room's node: what comes of it when networks, or other members, are unkind."""

import pytest

from browsers import Tab
from calls import sees_picture
from rooms import meets
from taps import connections, cut_socket, enter_tapped, fail_connection, let_socket_back, told
from waiting import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann")` is somebody in the room whose page is tapped."""

    def enter(name: str, before: str = "return true") -> Tab:
        return enter_tapped(browser(), cluster.url(), room, name, before)

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


def test_who_finds_no_way_to_the_node_is_told_and_it_is_sought_on(enters, wire, room):
    wire("Bob").ask("join", room=room, kind="room", topology="sfu", media={"audio": True, "video": True, "screen": False})
    ann = enters(
        "Ann",
        "globalThis.isBlocked = true;"
        "const set = RTCPeerConnection.prototype.setRemoteDescription;"
        "RTCPeerConnection.prototype.setRemoteDescription = function ({type, sdp}) {"
        "  return set.call(this, {type, sdp: isBlocked ? sdp.replace(/a=candidate.*\\r\\n/g, '') : sdp});"
        "}; return true",
    )
    ann.sees("Connecting")
    ann.sees("A firewall may be in the way", timeout=25.0)
    assert ann.report()["members"][0]["state"] == "failed"
    ann.run("isBlocked = false; dispatchEvent(new Event('online')); return true")
    ann.report_where(lambda r: r["members"][0]["state"] == "connected", "a way is found")
    ann.sees_no("A firewall may be in the way")


def test_a_page_that_the_browser_kept_and_shows_again_has_its_room_back(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    sees_picture(ann)
    member = ann.run("return roost.me.member")
    ann.run(
        "dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}));"
        "dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); return true"
    )
    meets(ann, bob)
    sees_picture(ann)
    assert ann.run("return roost.me.member") == member


# What the page says of its offers, in order. While the second one is with the node, which has asked for 9 places, it asks for 16 and for 25.
TRAIL = """
  globalThis.trail = [];
  const native = Object.getPrototypeOf(WebSocket).prototype;
  const send = native.send;
  native.send = function (text) {
    const { type, n } = JSON.parse(text);
    if (["offer", "answered"].includes(type)) trail.push(`${type} ${n}`);
    send.call(this, text);
    if (type !== "offer" || n !== 2) return;
    for (const video of [16, 25]) this.onmessage({ data: JSON.stringify({ type: "media", room: roost.room.room, kind: "slots-wanted", video }) });
  };
  return true;
"""


def test_a_room_grows_by_places_for_pictures_and_who_reconnects_has_as_many(enters, room):
    ann = enters("Ann", TRAIL)
    offered = (
        "const kinds = [...pcs.at(-1).localDescription?.sdp.matchAll(/^m=(\\w+)/gm) ?? []].map(([, kind]) => kind);"
        "return ['audio', 'video'].map((kind) => kinds.filter((each) => each === kind).length)"
    )
    trail = lambda: ann.run("return trail")  # noqa: E731
    wait_until(lambda: ann.run(offered) == [1 + 8, 1 + 4], "one to send, and the first places")
    wait_until(lambda: trail() == ["offer 1", "answered 1"], "the first offer is answered", seen=trail)
    told(ann, {"type": "media", "room": room, "kind": "slots-wanted", "video": 9})
    wait_until(lambda: ann.run(offered) == [1 + 8, 1 + 25], "more places for pictures", seen=lambda: ann.run(offered))
    wait_until(lambda: ann.run("return pcs.at(-1).connectionState") == "connected", "it stands")
    # Numbered, one at a time; what came while the second was away is in one more, or two where places were still being made.
    one_by_one = lambda: [f"{step} {n}" for n in range(1, 1 + len(trail()) // 2) for step in ("offer", "answered")]  # noqa: E731
    wait_until(lambda: ann.run("return pcs[0].signalingState") == "stable" and len(trail()) in (6, 8) and trail() == one_by_one(), "all are answered, one after the other", seen=trail)
    before = trail()
    told(ann, {"type": "media", "room": room, "kind": "lost", "reason": "node"})
    wait_until(lambda: ann.run("return pcs.length === 2 && pcs[1].connectionState") == "connected", "another one stands")
    assert ann.run(offered) == [1 + 8, 1 + 25]
    wait_until(lambda: trail() == [*before, "offer 1", "answered 1"], "its only offer is answered too", seen=trail)
    # None was refused: what a browser lets go of is in the list no more.
    assert ann.run("return pcs[1].getTransceivers().length") == 1 + 8 + 1 + 25


# By which names and keys the two ends know each other, and by which name the packets go that the browser sends now.
WAY = """
  const pc = pcs[0];
  const find = (kind, line) => pc[kind].sdp.match(line)[1];
  const both = (line) => [find("localDescription", line), find("remoteDescription", line)];
  const dtls = pc.getSenders()[0].transport;
  return {
    names: both(/^a=ice-ufrag:(.*)$/m),
    keys: both(/^a=fingerprint:(.*)$/m),
    goes: dtls.iceTransport.getSelectedCandidatePair()?.local.usernameFragment ?? null,
    states: [pc.signalingState, pc.connectionState, dtls.state],
  };
"""


def test_a_path_is_found_anew_under_the_same_keys_and_all_goes_on(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    sees_picture(ann)
    before = ann.run(WAY)
    ann.run("globalThis.handshakes = 0; pcs[0].getSenders()[0].transport.onstatechange = () => { handshakes++; }; return true")
    ann.run("dispatchEvent(new Event('online')); return true")

    def is_new() -> dict | None:
        way = ann.run(WAY)
        good = all(new != old for new, old in zip(way["names"], before["names"])) and way["goes"] == way["names"][0]
        return way if good and way["states"] == ["stable", "connected", "connected"] else None

    way = wait_until(is_new, "packets go under other names", seen=lambda: ann.run(WAY))
    assert way["keys"] == before["keys"]
    sees_picture(ann)
    sees_picture(bob)
    assert ann.run("return [pcs.length, handshakes]") == [1, 0]


def test_who_was_muted_already_says_so_again_when_a_host_mutes(enters, room):
    ann = enters("Ann")
    wait_until(lambda: ann.run("return pcs[0]?.connectionState") == "connected", "it stands")
    ann.run("await roost.setMicrophone(false); return true")
    ann.run(
        "globalThis.published = []; const socket = sockets.at(-1); const send = socket.send;"
        "socket.send = (text) => { const said = JSON.parse(text); if (said.type === 'publish') published.push(said); send.call(socket, text); };"
        "return true"
    )
    told(ann, {"type": "media", "room": room, "kind": "muted-by", "by": "Bob"})
    said = wait_until(lambda: ann.run("return published"), "the node hears it")
    assert [track["muted"] for track in said[0]["tracks"] if track["source"] == "microphone"] == [True]
