"""A call's steps, in the page's English words, and what "they see and hear each other" means in figures."""

from browsers import Tab
from waiting import wait_until

# Two browsers that both encode video on 2 loaded cores take their time to the first frame.
MEDIA_PATIENCE = 45.0


def ring(caller: Tab, callee: Tab, video: bool = True) -> None:
    """The caller clicks on "call"; ends when the callee's page rings."""
    caller.click(f"Call {callee.name} with video" if video else f"Call {callee.name} by voice")
    callee.offers("Decline")
    callee.sees(f"{caller.name} is calling")


def accept(callee: Tab, video: bool = True) -> None:
    callee.click("Accept with video" if video else "Accept, voice only")


def call(caller: Tab, callee: Tab, video: bool = True) -> None:
    """A whole call, to the point where both pages say that it is connected."""
    ring(caller, callee, video)
    accept(callee, video)
    for tab in (caller, callee):
        connected(tab)


def connected(tab: Tab, timeout: float = MEDIA_PATIENCE) -> dict:
    return tab.report_where(
        lambda r: r["call"] and r["call"]["state"] == "connected" and len(r["members"]) >= 1, "the call is connected", timeout
    )


def hears(tab: Tab, timeout: float = MEDIA_PATIENCE) -> None:
    """Sound comes: packets grow, and the level rises above silence (the made-up microphones beep once a second)."""
    before = tab.report()["members"][0]["audio"]["packetsReceived"]
    tab.report_where(lambda r: r["members"][0]["audio"]["packetsReceived"] > before, "packets of sound come", timeout)
    wait_until(lambda: tab.report()["members"][0]["audio"]["level"] > 0, "sound is heard", timeout, seen=tab.describe)


def sees_picture(tab: Tab, timeout: float = MEDIA_PATIENCE) -> None:
    """Pictures come: frames are decoded, more and more of them, and have a size."""
    before = tab.report()["members"][0]["video"]["framesDecoded"]
    tab.report_where(
        lambda r: r["members"][0]["video"]["framesDecoded"] > before + 3 and r["members"][0]["video"]["width"] > 0,
        "frames are decoded",
        timeout,
    )


def media_goes_on(*tabs: Tab, timeout: float = MEDIA_PATIENCE) -> None:
    """From this moment on each gets further frames and further packets of sound."""
    for tab in tabs:
        member = tab.report()["members"][0]
        frames, packets = member["video"]["framesDecoded"], member["audio"]["packetsReceived"]
        tab.report_where(
            lambda r: r["members"]
            and r["members"][0]["video"]["framesDecoded"] > frames + 3
            and r["members"][0]["audio"]["packetsReceived"] > packets + 10,
            f"media goes on at {tab.name}",
            timeout,
        )


def idle(tab: Tab) -> None:
    """The page is back where people are called from."""
    tab.report_where(lambda r: r["call"] is None and r["room"] is None, "no call is left")
    tab.sees("People here")
