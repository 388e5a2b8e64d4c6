"""`make bench-call`: from the click on "call" to ringing there, from accepting to the first decoded frame, and from entering a room to
the first frame through its node; both pages in Chromium."""

import json
import statistics
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "Support"), str(TESTS / "Bench")]

from calls import idle  # noqa: E402
from chromium import Chromium  # noqa: E402
from cluster import Cluster  # noqa: E402
from rows import conclude  # noqa: E402
from waiting import wait_until  # noqa: E402

RUNS = 10
# The figures, in milliseconds.
RING_LIMIT = 150
FRAME_LIMIT = 1000

# Both pages are on one machine, so Date.now() is one clock for them; it counts whole milliseconds, which is fine for tens of them.
WATCH_RING = """
window.rang = null;
const see = () => {
    const dialog = document.querySelector('[data-testid=ring]');
    if (window.rang === null && dialog?.open && dialog.innerText.includes(arguments_name)) window.rang = Date.now();
};
window.watch?.disconnect();
window.watch = new MutationObserver(see);
window.watch.observe(document.body, {subtree: true, childList: true, attributes: true});
return true;
"""

CLICK = """
const button = document.querySelector(`[data-name="${arguments[0]}"] [data-testid=call-video]`);
const at = Date.now();
button.click();
return at;
"""

# The moment at which the browser shows the first decoded frame of the other, told by the video element itself.
ACCEPT = """
return await new Promise((done) => {
    const began = performance.now();
    document.querySelector('[data-testid=accept-video]').click();
    const look = setInterval(() => {
        for (const video of document.querySelectorAll('[data-testid=tiles] video')) {
            if (video.watched || !video.srcObject || video.srcObject === window.roost.local.stream || video.muted && video.classList.contains('mirror')) continue;
            video.watched = true;
            video.requestVideoFrameCallback(() => { clearInterval(look); done(performance.now() - began); });
        }
        if (performance.now() - began > 20000) { clearInterval(look); done(null); }
    }, 4);
});
"""


# The same of a room: the first frame of whoever was there before.
ENTER = """
return await new Promise((done) => {
    const began = performance.now();
    document.querySelector('[data-testid=enter]').click();
    const look = setInterval(() => {
        const video = document.querySelector('[data-testid=tile] video');
        if (video?.srcObject && !video.watched) {
            video.watched = true;
            video.requestVideoFrameCallback(() => { clearInterval(look); done(performance.now() - began); });
        }
        if (performance.now() - began > 20000) { clearInterval(look); done(null); }
    }, 4);
});
"""

READY = """
const { local, entered } = window.roost ?? {};
return Boolean(local) && !entered && [local.audio, local.video].every((each) => each.state === "on") && !document.querySelector('[data-testid=enter]').disabled;
"""


def sign_in(browser: Chromium, url: str, name: str):
    tab = browser.tab
    tab.name, tab.home = name, url
    tab.open(f"{url}/?name={name}&signin=1")
    tab.report_where(lambda r: r["state"] == "signed-in", f"{name} is signed in")
    return tab


def measure_entering(ann, bob, url: str) -> list[float]:
    """Ann is in the room; Bob has looked at himself in its lobby, and goes in."""
    frames: list[float] = []
    room = f"{url}/room/bench?topology=sfu"
    ann.open(f"{room}&name=Ann&join=1")
    ann.report_where(lambda r: r["room"] == "bench", "Ann is in the room")
    for run in range(RUNS + 1):
        bob.open(f"{room}&name=Bob")
        wait_until(lambda: bob.run(READY), "Bob may go in", every=0.1)
        frame = bob.run(ENTER)
        assert isinstance(frame, (int, float)), bob.describe()
        assert bob.run("return roost.members.map(({ straight }) => straight)") == [False], "through the node"
        if run:
            frames.append(float(frame))
        bob.click("Leave the room")
        ann.report_where(lambda r: r["members"] == [], "Bob has left")
    return frames


def measure() -> tuple[list[float], list[float], list[float]]:
    rings: list[float] = []
    frames: list[float] = []
    with Cluster() as cluster:
        first, second = Chromium("sharp"), None
        try:
            second = Chromium("sharp")
            ann, bob = sign_in(first, cluster.url(), "Ann"), sign_in(second, cluster.url(), "Bob")
            # One call more than counted: the first one warms both browsers up.
            for run in range(RUNS + 1):
                ann.offers("Call Bob with video")
                bob.run(WATCH_RING.replace("arguments_name", json.dumps("Ann")))
                began = float(ann.run(CLICK, "Bob"))
                rang = float(wait_until(lambda: bob.run("return window.rang"), "it rings", every=0.02))
                bob.offers("Accept with video")
                frame = bob.run(ACCEPT)
                assert isinstance(frame, (int, float)), bob.describe()
                if run:
                    rings.append(rang - began)
                    frames.append(float(frame))
                ann.click("Hang up")
                idle(ann)
                idle(bob)
            entering = measure_entering(ann, bob, cluster.url())
        finally:
            first.quit()
            if second:
                second.quit()
    return rings, frames, entering


def main() -> int:
    rings, frames, entering = measure()
    rows = [
        {
            "name": name, "value": round(statistics.median(values), 1), "unit": "ms", "baseline": None, "ratio": None, "limit": limit,
            "runs": len(values),
        }
        for name, values, limit in (
            ("click to ringing", rings, RING_LIMIT), ("accept to first frame", frames, FRAME_LIMIT), ("enter to first frame", entering, FRAME_LIMIT),
        )
    ]  # fmt: skip
    print(f"{'':24}{'median':>10}{'least':>10}{'most':>10}{'limit':>10}")
    for row, values in zip(rows, (rings, frames, entering), strict=True):
        print(f"{row['name']:24}{row['value']:>7.0f} ms{min(values):>7.0f} ms{max(values):>7.0f} ms{row['limit']:>7} ms")
    return conclude("call", rows)


if __name__ == "__main__":
    sys.exit(main())
