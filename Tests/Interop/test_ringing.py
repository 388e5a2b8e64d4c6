"""The ring is heard: measured at the page's own meter, right before the speaker, for as long as it rings and no longer."""

import pytest

from calls import idle, ring
from waiting import stays_true, wait_until
from wire import room_id

pytestmark = pytest.mark.browser

# The ring's notes peak at 0.16 and more together; noise of a graph that plays nothing is exactly 0.
AUDIBLE = 0.02


def level(tab) -> float:
    return float(tab.run("return window.soundLevel()"))


def touch(tab) -> None:
    """What a person does on a page before it may sound: presses a button of the lobby (and shuts what it opens)."""
    tab.click("Keyboard")
    tab.press("Escape")
    tab.offers_no("Keyboard", "dialog")


def rings(tab) -> None:
    wait_until(lambda: level(tab) > AUDIBLE, f"{tab.name} hears ringing", 10, every=0.03, seen=tab.describe)


def is_silent(tab, seconds: float = 4.0) -> None:
    """Longer than a round of the ring (2.5 and 3 s): nothing is to come any more."""
    stays_true(lambda: level(tab) < AUDIBLE / 10, f"{tab.name} hears nothing", seconds, every=0.05)


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_ring_is_heard_until_it_is_declined(person, kind):
    ann, bob = person("Ann", kind), person("Bob", kind)
    touch(bob)
    is_silent(bob, 0.5)
    ring(ann, bob)
    rings(bob)
    # The caller hears it ring at the other end: that page was touched by the click on "call".
    rings(ann)
    # A ring goes on, it is not one beep.
    for _ in range(2):
        wait_until(lambda: level(bob) < AUDIBLE / 10, "a pause between two rings", 5, every=0.03)
        rings(bob)
    bob.click("Decline")
    idle(ann)
    idle(bob)
    wait_until(lambda: level(bob) < AUDIBLE / 10, "the ring has ended", 0.5, every=0.03)
    is_silent(bob)
    is_silent(ann, 1.0)


def test_a_ring_falls_silent_when_the_caller_takes_it_back(person):
    ann, bob = person("Ann"), person("Bob")
    touch(bob)
    ring(ann, bob)
    rings(bob)
    ann.click("Cancel call")
    bob.offers_no("Decline")
    wait_until(lambda: level(bob) < AUDIBLE / 10, "the ring has ended", 0.5, every=0.03)
    is_silent(bob)


def test_a_page_nobody_touched_rings_as_soon_as_somebody_does(person):
    """Browsers keep an untouched page silent; the first touch during the ring makes it heard, without what was due before."""
    ann, bob = person("Ann"), person("Bob")
    ring(ann, bob)
    is_silent(bob, 3.0)
    bob.press("Tab")
    rings(bob)
    loudest = 0.0
    for _ in range(40):
        loudest = max(loudest, level(bob))
    assert loudest < 0.6, f"rings that were due while silent all sound at once: {loudest}"
    bob.click("Decline")
    idle(ann)


def test_who_looks_at_oneself_goes_on_doing_so_after_declining(person, wire):
    ann, bob = person("Ann"), wire("Bob")
    ann.click("Check camera and microphone")
    ann.sees("Camera and microphone work")
    bob.ask("call", room=room_id(), to=ann.name, video=True, media={"audio": True, "video": True, "screen": False})
    ann.click("Decline")
    ann.sees("You declined the call")
    assert ann.run("return [roost.local.video.state, roost.local.video.track?.readyState]") == ["on", "live"]
    assert ann.run("const video = document.querySelector('#preview-video'); return !video.hidden && video.srcObject?.active")
