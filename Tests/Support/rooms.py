"""A room's steps, in the page's English words, and what "everybody sees and hears everybody" means in figures."""

import secrets
import time

from browsers import Tab
from waiting import wait_until

# Four browsers that encode and decode on two loaded cores take their time to the first frame.
MEDIA_PATIENCE = 60.0

# What a page knows of its own link: what the node believes in, what it sends, how large its tiles are.
LINK = """
  const {estimateBps, sent} = roost.statistics();
  const tiles = [...document.querySelectorAll("[data-testid=tile]:not([hidden]) video")].map((e) => [e.clientWidth, e.clientHeight]);
  return JSON.stringify({estimateBps, layers: sent.video.layers, tiles, visible: document.visibilityState});
"""


def enter(tab: Tab, home: str, room: str, name: str, query: str = "") -> Tab:
    """Enters at once, as a link in an invitation does."""
    tab.name, tab.home = f"{name} {secrets.token_hex(2)}", home
    tab.open(f"{home}/room/{room}?name={tab.name.replace(' ', '%20')}&join=1{query}")
    tab.report_where(lambda r: r["room"] == room, f"{tab.name} is in the room {room}")
    return tab


def meets(tab: Tab, *others: Tab, timeout: float = MEDIA_PATIENCE) -> dict:
    """The page shows exactly these others."""
    names = sorted(other.name for other in others)
    return tab.report_where(lambda r: sorted(m["name"] for m in r["members"]) == names, f"{tab.name} meets {names}", timeout)


def sees_and_hears_all(tab: Tab, frames: float = 10.0, pixels: int = 320 * 240, timeout: float = MEDIA_PATIENCE) -> None:
    """Every other member's picture moves with over `frames` a second at 320x240 or better, and its sound rises above silence."""
    loud: set[str] = set()

    def flows() -> bool:
        before, began = tab.report(), time.monotonic()
        time.sleep(1.0)
        after, seconds = tab.report(), time.monotonic() - began
        earlier = {m["name"]: m for m in before["members"]}
        good = bool(after["members"])
        for m in after["members"]:
            video, was = m["video"], earlier.get(m["name"])
            loud.update([m["name"]] if m["audio"]["level"] > 0 else [])
            good = good and was is not None and video["framesDecoded"] - was["video"]["framesDecoded"] > frames * seconds
            good = good and video["width"] * video["height"] >= pixels and m["name"] in loud
        return good

    wait_until(flows, f"{tab.name} sees and hears everybody", timeout, every=0.1, seen=lambda: f"{tab.report()}\n{tab.run(LINK)}\n{tab.describe()}")


def tiles(tab: Tab) -> list[str]:
    """The names on the others' tiles."""
    return list(tab.run("return [...document.querySelectorAll('[data-testid=tile]:not([hidden])')].map(e => e.getAttribute('aria-label'))") or [])
