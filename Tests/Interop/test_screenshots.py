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


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=list(SIZES))
def test_pictures(browser, person, wire, cluster, size, dark):
    colour = "dark" if dark else "light"

    def shoot(what: str) -> None:
        # Nothing moves in a picture.
        ann.run(
            "await document.fonts.ready; await Promise.allSettled(document.getAnimations()"
            ".filter(a => a.effect?.getTiming().iterations !== Infinity).map(a => a.finished)); return true"
        )
        ann.screenshot(FOLDER / f"{what}-{size}-{colour}.png")

    ann = browser()
    ann.open("about:blank")
    ann.appearance(**SIZES[size], dark=dark)
    ann.open(cluster.url())
    ann.sees("Your name")
    shoot("sign-in")

    open_check(ann, cluster.url())
    gather(ann)
    ann.run("scrollTo(0, 0); document.activeElement.blur(); return true")
    shoot("check")
    ann.run("document.getElementById('candidates-title').scrollIntoView({block: 'start'}); return true")
    shoot("check-candidates")

    company = [wire(name, exactly=True) for name in COMPANY]
    bob = person("Bob Marsh", exactly=True)
    ann.name, ann.home = "Ann Sato", cluster.url()
    ann.open(f"{cluster.url()}/?name=Ann%20Sato&signin=1")
    for name in COMPANY:
        ann.offers(f"Call {name} with video")
    ann.offers("Call Bob Marsh with video")
    shoot("people")

    ring(bob, ann)
    shoot("ringing")
    accept(ann)
    sees_picture(ann)
    wait_until(lambda: ann.run("return document.querySelectorAll('[data-testid=tile] video').length > 0"), "a picture is shown")
    wait_until(lambda: (ann.report()["rttMs"] or 0) >= 0 and ann.report()["down"]["bps"] > 200_000, "the picture has become sharp")
    shoot("call")
    ann.click("Call details")
    ann.sees("Round trip", "kbit/s")
    shoot("details")
    ann.click("Hang up")
    for client in company:
        client.close()
