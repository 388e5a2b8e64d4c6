"""A node that forwards a room's media is killed, or a member's browser is: the others are whole again, or see it leave, by themselves."""

import secrets
import time

import psutil
import pytest

from rooms import enter, meets, sees_and_hears_all
from waiting import wait_until


# When (Date.now()) another stream than now shows its first frame in the other's tile, and when another one is heard.
BACK = """
  const tile = document.querySelector('[data-testid=tile]');
  const old = ['video', 'audio'].map((kind) => tile.querySelector(kind).srcObject);
  globalThis.back = {};
  const watched = new WeakSet();
  const look = setInterval(() => {
    const [tile] = document.querySelectorAll('[data-testid=tile]');
    for (const video of tile?.querySelectorAll('video') ?? []) {
      if (video.srcObject === null || old.includes(video.srcObject) || watched.has(video)) continue;
      watched.add(video);
      video.requestVideoFrameCallback(() => (back.picture ??= Date.now()));
    }
    const audio = tile?.querySelector('audio');
    if (audio?.srcObject && !old.includes(audio.srcObject) && !audio.muted && audio.currentTime > 0) back.sound ??= Date.now();
    if (back.picture && back.sound) clearInterval(look);
  }, 20);
  return true;
"""


@pytest.mark.browser
def test_a_killed_node_s_rooms_are_whole_again_within_five_seconds_and_other_rooms_do_not_notice(browser, cluster):
    room, other = f"blue-{secrets.token_hex(3)}", f"green-{secrets.token_hex(3)}"
    ann, bob = (enter(browser("chromium calm"), cluster.url(), room, name) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_and_hears_all(ann)
    sees_and_hears_all(bob)
    # Placement spreads rooms: the second one is on the other node.
    cem = enter(browser("chromium calm"), cluster.url(), other, "Cem")
    node = ann.report()["node"]
    assert cem.report()["node"] != node

    for tab in (ann, bob):
        tab.run(BACK)
    # One machine, one clock for this test and its pages.
    killed = time.time()
    cluster.kill(node)
    for tab in (ann, bob):
        back = wait_until(
            lambda tab=tab: (lambda seen: seen if len(seen) == 2 else None)(tab.run("return back")),
            f"{tab.name} sees and hears again",
            20.0,
            seen=tab.describe,
        )
        took = {what: at / 1_000 - killed for what, at in back.items()}
        print(tab.name, {what: round(seconds, 1) for what, seconds in took.items()})
        assert max(took.values()) < 5.0, took
    for tab in (ann, bob):
        sees_and_hears_all(tab)
    assert cem.report()["room"] == other
    assert cem.report()["connection"] == "open"


def crash(tab) -> None:
    """kill -9 of everything that belongs to the tab's browser."""
    profile = f"--user-data-dir={tab.browser.profile}"
    for process in psutil.process_iter(["cmdline"]):
        if profile in (process.info["cmdline"] or []):
            process.kill()


@pytest.mark.browser
def test_a_member_whose_browser_dies_is_gone_within_thirty_seconds(browser, cluster):
    room = f"blue-{secrets.token_hex(3)}"
    ann, bob = (enter(browser("chromium calm"), cluster.url(), room, name) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_and_hears_all(ann)
    died = time.monotonic()
    crash(bob)
    wait_until(lambda: ann.report()["members"] == [], f"{bob.name} is gone", 40.0, every=0.5)
    took = time.monotonic() - died
    assert took < 32.0, f"gone after {took:.1f} s"
    ann.sees("Nobody else is here yet")
