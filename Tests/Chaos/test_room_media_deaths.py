"""A node that forwards a room's media is killed, or a member's browser is: the others are whole again, or see it leave, by themselves."""

import secrets
import time

import psutil
import pytest

from rooms import enter, meets, sees_and_hears_all
from waiting import wait_until


@pytest.mark.browser
def test_a_killed_node_s_rooms_have_media_again_within_seconds_and_other_rooms_do_not_notice(browser, cluster):
    room, other = f"blue-{secrets.token_hex(3)}", f"green-{secrets.token_hex(3)}"
    ann, bob = (enter(browser("chromium calm"), cluster.url(), room, name) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_and_hears_all(ann)
    sees_and_hears_all(bob)
    # Placement spreads rooms: the second one is on the other node.
    cem = enter(browser("chromium calm"), cluster.url(), other, "Cem")
    node = ann.report()["node"]
    assert cem.report()["node"] != node

    killed = time.monotonic()
    cluster.kill(node)
    # On the other node, or on this one if it is back within a moment. What the dead process had sent is decoded by now.
    time.sleep(1.0)
    for tab in (ann, bob):
        frames = tab.report()["members"][0]["video"]["framesDecoded"]
        tab.report_where(
            lambda r, frames=frames: [m["state"] for m in r["members"]] == ["connected"] and r["members"][0]["video"]["framesDecoded"] not in (0, frames),
            "the picture moves again",
            20.0,
        )
    took = time.monotonic() - killed
    assert took < 10.0, f"whole again after {took:.1f} s"
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
