"""An independent WebRTC implementation in rooms, over the documented protocol: sound and VP8 that decode."""

import secrets

import pytest

from waiting import wait_until

aiortc = pytest.importorskip("aiortc")

COLOURS = [(200, 30, 30), (30, 180, 30), (40, 40, 210)]
TONES = [400.0, 800.0, 1_600.0]


@pytest.fixture
def member(cluster):
    from aiortc_member import Member

    made = []

    def join(name: str, room: str, number: int):
        made.append(Member(cluster.url(), f"{name} {secrets.token_hex(2)}", room, COLOURS[number], TONES[number]))
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
