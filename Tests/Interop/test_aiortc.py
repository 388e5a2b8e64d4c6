"""An independent WebRTC implementation in rooms, over the documented protocol: sound and VP8 that decode."""

import ipaddress
import secrets
from pathlib import Path

import pytest

from waiting import wait_until

aiortc = pytest.importorskip("aiortc")

COLOURS = [(200, 30, 30), (30, 180, 30), (40, 40, 210)]
TONES = [400.0, 800.0, 1_600.0]


@pytest.fixture
def member(cluster):
    from aiortc_member import Member

    made = []

    def join(name: str, room: str, number: int, **codecs: object):
        made.append(Member(cluster.url(), f"{name} {secrets.token_hex(2)}", room, COLOURS[number], TONES[number], **codecs))
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
