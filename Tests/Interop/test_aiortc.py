"""An independent WebRTC implementation in rooms, over the documented protocol: sound and VP8 that decode."""

import ipaddress
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from rooms import enter, tiles
from waiting import wait_until

aiortc = pytest.importorskip("aiortc")

COLOURS = [(200, 30, 30), (30, 180, 30), (40, 40, 210)]
TONES = [400.0, 800.0, 1_600.0]


@pytest.fixture
def member(cluster):
    from aiortc_member import Member

    made = []

    def join(name: str, room: str, number: int, **codecs: object):
        made.append(Member(cluster.url(), f"{name} {secrets.token_hex(2)}", room, COLOURS[number % 3], TONES[number % 3], **codecs))
        return made[-1]

    try:
        yield join
    finally:
        for each in made:
            each.close()


def test_three_members_see_and_hear_each_other(member):
    room = "aio-" + secrets.token_hex(4)
    people = [member(name, room, number) for number, name in enumerate(("Ann", "Bob", "Cid"))]
    for one in people:
        for other in people:
            if one is other:
                continue
            seen = lambda: "\n".join(each.describe() for each in people)  # noqa: E731
            wait_until(lambda: one.shows(other), f"{one.wire.session['name']} sees {other.wire.session['name']}", 30, seen=seen)
            wait_until(lambda: one.hears(other), f"{one.wire.session['name']} hears {other.wire.session['name']}", 30, seen=seen)


def test_h264_goes_beside_vp8_and_who_lacks_it_is_told_so(member):
    room = "aio-" + secrets.token_hex(4)
    ann = member("Ann", room, 0, sends="H264")
    bob = member("Bob", room, 1, sends="VP8")
    cid = member("Cid", room, 2, takes=("VP8",))
    seen = lambda: "\n".join(each.describe() for each in (ann, bob, cid))  # noqa: E731
    wait_until(lambda: bob.shows(ann), "Ann's H.264 decodes", 30, seen=seen)
    wait_until(lambda: ann.shows(bob) and cid.shows(bob), "Bob's VP8 decodes", 30, seen=seen)
    told = {"member": ann.member, "source": "camera", "reason": "codec"}
    wait_until(lambda: told in cid.paused, "who takes no H.264 is told why there is no picture", 10, seen=seen)
    wait_until(lambda: cid.hears(ann), "sound comes all the same", 30, seen=seen)
    assert bob.paused == [] and not cid.shows(ann)


def own_addresses() -> list[str]:
    """Addresses of IPv6 that others reach this host at; the third column of the kernel's table is the scope, 0 for everywhere."""
    table = Path("/proc/net/if_inet6")
    rows = [line.split() for line in table.read_text().splitlines()] if table.exists() else []
    return [str(ipaddress.IPv6Address(bytes.fromhex(row[0]))) for row in rows if row[3] == "00"]


@pytest.mark.skipif(not own_addresses(), reason="this host has no address of IPv6 beside loopback's")
def test_who_has_only_ipv6_meets_who_has_only_ipv4(member):
    room = "aio-" + secrets.token_hex(4)
    ann = member("Ann", room, 0, only=":")
    bob = member("Bob", room, 1, only=".")
    seen = lambda: f"{ann.describe()}\n{bob.describe()}\n{ann.answer}"  # noqa: E731
    wait_until(lambda: ann.shows(bob) and ann.hears(bob), "over IPv6 the other is seen and heard", 30, seen=seen)
    wait_until(lambda: bob.shows(ann) and bob.hears(ann), "who comes over IPv6 is seen and heard", 30, seen=seen)
    named = [line.split()[4] for line in ann.answer.splitlines() if line.startswith("a=candidate:")]
    assert set(own_addresses()) <= set(named)


# Tiles and the page's own picture: whether each is whole on the page, and none lies over another.
GRID = """
  const boxes = [...document.querySelectorAll("[data-testid=tile]:not([hidden]), [data-testid=tile-self]:not([hidden])")].map((e) => e.getBoundingClientRect());
  const whole = boxes.every((b) => b.width > 40 && b.height > 40 && b.left >= 0 && b.top >= 0 && b.right <= innerWidth && b.bottom <= innerHeight);
  const apart = boxes.every((a, at) => boxes.slice(at + 1).every((b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1));
  return [boxes.length, whole, apart];
"""
# Sections that receive pictures. The first offer has four.
PLACES = """
  const { RTCPeerConnection: Real } = globalThis;
  const made = (globalThis.connections = []);
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...given) {
      super(...given);
      made.push(this);
    }
  };
  globalThis.places = () => made.filter((pc) => pc.connectionState !== "closed").flatMap((pc) => pc.getTransceivers()).filter((each) => each.direction === "recvonly" && each.receiver.track.kind === "video").length;
"""


@pytest.mark.browser
@pytest.mark.parametrize("count", [8, 10])
def test_many_members_are_all_on_the_page_and_its_places_grow(browser, cluster, member, room, count):
    tab = browser()
    tab.before_pages(PLACES)
    tab = enter(tab, cluster.url(), room, "Ann")
    others = [member(f"Member{number}", room, number, slots=0, every=3) for number in range(count - 1)]
    seen = lambda: "\n".join([tab.describe(), *(each.describe() for each in others)])  # noqa: E731
    names = sorted(each.wire.session["name"] for each in others)
    wait_until(lambda: sorted(tiles(tab)) == names, "all have a tile", 30, seen=seen)
    tab.report_where(
        lambda r: len(r["members"]) == count - 1 and all(m["video"]["framesDecoded"] > 20 for m in r["members"])
        # There are eight places for voices.
        and sum(m["audio"]["packetsReceived"] > 50 for m in r["members"]) >= min(count - 1, 8),
        "all are seen, and heard",
        60.0,
    )
    wait_until(lambda: tab.run(GRID) == [count, True, True], "each tile is whole, and none over another", 10, seen=lambda: tab.run(GRID))
    assert tab.run("return places()") >= count - 1
    assert tab.report()["streams"]["theory"] == {"up": 1, "down": count - 1, "room": count * count}


# Sends what strangers may send to a node's port, as fast as its bursts allow, until its input ends: noise, checks of nobody's, the start of a
# handshake, media and reports that nobody agreed on. A program of its own: the members of this test need their processor.
FLOOD = """
import os, random, select, socket, struct, sys
host, port = sys.argv[1], int(sys.argv[2])
check = struct.pack("!HHI12s", 1, 32, 0x2112A442, b"0" * 12) + struct.pack("!HH", 6, 9) + b"none:none" + bytes(3) + struct.pack("!HH", 8, 20) + bytes(20)
hello = bytes([22, 254, 253]) + bytes(8) + struct.pack("!H", 200) + bytes([1, 0, 0, 188]) + bytes(196)
media = struct.pack("!BBHII", 0x90, 96, 7, 9, 0xFEED) + bytes(1_000)
report = struct.pack("!BBHI", 0x81, 206, 2, 0xFEED) + bytes(40)
sockets = [socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
while not select.select([sys.stdin], [], [], 0.005)[0]:
    for each in sockets:
        for said in (check, hello, media, report, os.urandom(random.randrange(1, 1_200))):
            each.sendto(said, (host, port))
"""


def test_floods_at_the_nodes_port_and_a_description_of_a_megabyte_harm_no_other(member, cluster, wire):
    room = "aio-" + secrets.token_hex(4)
    ann, bob = member("Ann", room, 0), member("Bob", room, 1)
    seen = lambda: f"{ann.describe()}\n{bob.describe()}"  # noqa: E731
    for one, other in ((ann, bob), (bob, ann)):
        wait_until(lambda one=one, other=other: one.shows(other) and one.hears(other), "they see and hear each other", 30, seen=seen)
    mal = wire("Mal")
    node = mal.ask("join", room=room, kind="room", topology="sfu", media={"audio": True, "video": True, "screen": False})["room"]["node"]

    def dropped() -> int:
        _, text = cluster.admin(node, "/metrics")
        return sum(float(count) for count in re.findall(r"^roost_media_dropped_packets_total\{.*\} (\S+)$", text, re.M))

    def came(one) -> tuple[int, int]:
        return sum(count for count, _ in one.heard.values()), sum(count for count, _ in one.seen.values())

    candidate = next(line.split() for line in ann.answer.splitlines() if line.startswith("a=candidate:") and line.split()[2].lower() == "udp")
    began = dropped()
    flood = subprocess.Popen([sys.executable, "-c", FLOOD, candidate[4], candidate[5]], stdin=subprocess.PIPE)
    try:
        wait_until(lambda: dropped() > began + 1_000, "the flood is at the node")
        before = {one: came(one) for one in (ann, bob)}
        # Nearly as long as may be sent (each line end takes four characters there), and far longer.
        assert mal.refusal("offer", room=room, n=1, sdp="v=0\r\n" + "a=x\r\n" * (mal.session["limits"]["offer"] // 8)) in ("bad-request", "unavailable")
        mal.start_too_long("offer", room=room, n=2, sdp="v=0\r\n" + "a=x\r\n" * 200_000)
        assert mal.hear_close()[0] in (1008, 1009)

        def go_on(one) -> bool:
            (sound, pictures), (sound_before, pictures_before) = came(one), before[one]
            return sound > sound_before + 100 and pictures > pictures_before + 20

        # Two seconds of sound.
        for one in (ann, bob):
            wait_until(lambda one=one: go_on(one), "sound and pictures go on", 10, seen=seen)
        assert dropped() > began + 10_000
        assert flood.poll() is None
    finally:
        flood.stdin.close()
        flood.wait(10)
    for one, other in ((ann, bob), (bob, ann)):
        assert one.state == "connected" and one.shows(other) and one.hears(other), seen()
