"""Pictures of the pages for docs/screenshots, at phone and laptop size, light and dark. Written only with ROOST_SCREENSHOTS=1."""

import os
from pathlib import Path

import pytest

from calls import accept, ring, sees_picture
from check import gather, open_check
from waiting import wait_until

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SIZES = {"phone": {"width": 390, "height": 844, "phone": True}, "laptop": {"width": 1280, "height": 800, "phone": False}}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.environ.get("ROOST_SCREENSHOTS"), reason="pictures are made with ROOST_SCREENSHOTS=1"),
]

COMPANY = ["Bea Lindqvist", "Chidi Okafor", "小雨", "Dov Amsel", "Elif Kaya"]


def shoot(tab, what: str, size: str, dark: bool) -> None:
    # Nothing moves in a picture.
    tab.run(
        "await document.fonts.ready; await Promise.allSettled(document.getAnimations()"
        ".filter(a => a.effect?.getTiming().iterations !== Infinity).map(a => a.finished)); return true"
    )
    tab.screenshot(FOLDER / f"{what}-{size}-{'dark' if dark else 'light'}.png")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
def test_pictures_of_rooms(browser, wire, cluster, size, dark):
    ann, bob = browser("chromium sharp"), browser("chromium sharp")
    ann.open("about:blank")
    ann.appearance(**SIZES[size], dark=dark)
    # Whoever left a moment ago still has the name.
    name, other, room = {
        ("phone", False): ("Ann", "Bob Marsh", "blue"),
        ("phone", True): ("Aya", "Ben Moss", "amber"),
        ("laptop", False): ("Eri", "Bo Falk", "jade"),
        ("laptop", True): ("Mio", "Bea Hart", "ruby"),
    }[size, dark]
    ann.open(f"{cluster.url()}/room/{room}?name={name}%20Sato")
    ann.offers("Enter the room")
    wait_until(lambda: ann.run("return document.querySelector('video')?.videoWidth > 0"), "the preview shows a picture")
    shoot(ann, "room-lobby", size, dark)
    ann.click("Enter the room")
    bob.open(f"{cluster.url()}/room/{room}?name={other.replace(' ', '%20')}&join=1")
    ann.report_where(lambda r: [m["video"]["width"] >= 640 for m in r["members"]] == [True], "Bob's picture is sharp", 60.0)
    company = []
    for count, names in ((3, COMPANY[:1]), (4, COMPANY[1:2]), (9, [*COMPANY[2:], "Fay Otieno", "Gil Haas"])):
        for name in names:
            company.append(wire(name, exactly=True))
            company[-1].ask("join", room=room, media={"audio": False, "video": False, "screen": False}, kind="room", topology="sfu")
        ann.report_where(lambda r, count=count: len(r["members"]) == count - 1, f"{count} are there")
        wait_until(lambda: not ann.run("return document.querySelector('[data-testid=toast]') !== null"), "nothing is in the way")
        shoot(ann, f"room-{count}", size, dark)
    ann.click("Details")
    ann.sees("Round trip", "kbit/s")
    shoot(ann, "room-details", size, dark)
    for client in company:
        client.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
def test_pictures(browser, person, wire, cluster, size, dark):
    ann = browser("chromium sharp")
    ann.open("about:blank")
    ann.appearance(**SIZES[size], dark=dark)
    ann.open(cluster.url())
    ann.sees("Your name")
    shoot(ann, "sign-in", size, dark)

    open_check(ann, cluster.url())
    gather(ann)
    ann.run("scrollTo(0, 0); document.activeElement.blur(); return true")
    shoot(ann, "check", size, dark)
    ann.run("document.getElementById('candidates-title').scrollIntoView({block: 'start'}); return true")
    shoot(ann, "check-candidates", size, dark)

    company = [wire(name, exactly=True) for name in COMPANY]
    bob = person("Bob Marsh", "chromium sharp", exactly=True)
    ann.name, ann.home = "Ann Sato", cluster.url()
    ann.open(f"{cluster.url()}/?name=Ann%20Sato&signin=1")
    for name in COMPANY:
        ann.offers(f"Call {name} with video")
    ann.offers("Call Bob Marsh with video")
    shoot(ann, "people", size, dark)

    ring(bob, ann)
    shoot(ann, "ringing", size, dark)
    accept(ann)
    sees_picture(ann)
    wait_until(lambda: ann.run("return document.querySelectorAll('[data-testid=tile] video').length > 0"), "a picture is shown")
    wait_until(lambda: (ann.report()["rttMs"] or 0) >= 0 and ann.report()["down"]["bps"] > 200_000, "the picture has become sharp")
    shoot(ann, "call", size, dark)
    ann.click("Call details")
    ann.sees("Round trip", "kbit/s")
    shoot(ann, "details", size, dark)
    ann.click("Hang up")
    for client in company:
        client.close()
