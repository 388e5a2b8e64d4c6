"""What is waited for half a minute: an answer, who vanished from a call, who vanished from a room. All at the same time, for nothing else goes on."""

import secrets
import time

import psutil
import pytest

from calls import call, idle, ring, sees_picture
from rooms import enter, meets
from waiting import stays_true

pytestmark = pytest.mark.browser


def crash(*tabs) -> None:
    """kill -9 of everything that belongs to the tabs' browsers."""
    profiles = [f"--user-data-dir={tab.browser.profile}" for tab in tabs]
    for process in psutil.process_iter(["cmdline"]):
        if any(profile in (process.info["cmdline"] or []) for profile in profiles):
            process.kill()


# When (Date.now()) nobody else was in the room any more.
LEFT = """
  roost.addEventListener("change", () => { if (roost.members.length === 0) document.body.dataset.leftAt ??= Date.now(); });
  return roost.members.length;
"""


def test_an_answer_and_who_vanished_are_waited_for_thirty_seconds(person, browser, cluster):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    room = f"blue-{secrets.token_hex(3)}"
    gus, hal = (enter(browser(), cluster.url(), room, name) for name in ("Gus", "Hal"))
    meets(gus, hal)
    sees_picture(gus)
    assert gus.run(LEFT) == 1

    died = time.time()
    crash(bob, hal)
    cem, dan = person("Cem"), person("Dan")
    ring(cem, dan)
    assert ann.report()["members"][0]["away"], f"{bob.name} may come back"
    stays_true(lambda: dan.has("button", "Decline"), "it rings", 20.0)
    cem.sees(f"{dan.name} did not answer", timeout=30.0)
    dan.sees(f"{cem.name} called at")
    idle(cem)
    idle(dan)

    ann.sees(f"The connection to {bob.name} was lost")
    idle(ann)
    gus.sees("Nobody else is here yet")
    # One machine, one clock for this test and its pages.
    took = gus.run("return Number(document.body.dataset.leftAt)") / 1_000 - died
    assert 15.0 < took < 30.0, f"{hal.name} was gone after {took:.1f} s"
