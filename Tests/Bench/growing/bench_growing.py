"""`make bench-growing`: two people talk, a third is added and leaves, ten times: how long the two stand for each other meanwhile."""

import statistics
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "Support"), str(TESTS / "Bench")]

from browsers import Tab  # noqa: E402
from calls import call, idle  # noqa: E402
from chromium import Chromium  # noqa: E402
from cluster import Cluster  # noqa: E402
from rows import conclude  # noqa: E402
from standstill import forget, member_id, speak_evenly, stood, watch  # noqa: E402
from waiting import wait_until  # noqa: E402

RUNS = 10
# The figures, in milliseconds: for each member, in each run.
LIMITS = {"picture": 300, "sound": 150}
# As long as a switch: what stands then is the machine's doing.
STEADY_S = 6.0


def sign_in(browser: Chromium, url: str, name: str) -> Tab:
    tab = browser.tab
    tab.name, tab.home = name, url
    tab.open(f"{url}/?name={name}&signin=1")
    tab.report_where(lambda r: r["state"] == "signed-in", f"{name} is signed in")
    speak_evenly(tab)
    return tab


def carried(tab: Tab, others: list[str]) -> None:
    """By the node alone: the straight way is closed."""
    wait_until(
        lambda: tab.run(
            "return roost.members.length === arguments[0] && roost.members.every((each) => each.straight === false && each.stream"
            " && (each.statistics?.video?.framesDecoded ?? 0) > 5) && straightWays() === 0",
            len(others),
        ),
        f"{tab.name} is carried by the node",
        60.0,
        seen=tab.describe,
    )


def straight(tab: Tab) -> None:
    wait_until(
        lambda: tab.run("return roost.members.length === 1 && roost.members[0].straight && roost.statistics().theory.links === 1 && nodeWays() === 0"),
        f"{tab.name} is straight again",
        60.0,
        seen=tab.describe,
    )


# Connections that are open: the node's is the one with a data channel and slots.
WAYS = """
  const made = [];
  const Connection = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...given) {
      super(...given);
      made.push(this);
    }
  };
  const open = () => made.filter((each) => each.signalingState !== 'closed');
  globalThis.nodeWays = () => open().filter((each) => each.getTransceivers().length > 4).length;
  globalThis.straightWays = () => open().filter((each) => each.getTransceivers().length <= 4).length;
  return true;
"""


class Pair:
    """The two who remain, and what each notes of the other."""

    def __init__(self, ann: Tab, bob: Tab):
        self.sides = [(ann, member_id(ann, bob.name)), (bob, member_id(bob, ann.name))]
        for tab, _ in self.sides:
            watch(tab)

    def begin(self) -> None:
        for tab, _ in self.sides:
            forget(tab)

    def end(self) -> dict[str, float]:
        """The worse of both."""
        told = [stood(tab, other) for tab, other in self.sides]
        return {kind: max(each[kind] for each in told) for kind in ("picture", "sound", "page")}

    def steady(self) -> dict[str, float]:
        self.begin()
        time.sleep(STEADY_S)
        return self.end()


def measure(runs: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {"two": [], "grow": [], "three": [], "shrink": []}
    browsers: list[Chromium] = []
    with Cluster() as cluster:
        try:
            for _ in range(3):
                browsers.append(Chromium("smooth"))
            ann, bob, cem = (sign_in(browser, cluster.url(), name) for browser, name in zip(browsers, ("Ann", "Bob", "Cem"), strict=True))
            for tab in (ann, bob, cem):
                tab.run(WAYS)
            call(ann, bob)
            pair = Pair(ann, bob)
            for run in range(runs):
                found["two"].append(pair.steady())
                pair.begin()
                ann.click("Add a person")
                ann.click(f"Add {cem.name} to the call")
                wait_until(lambda: "is calling" in cem.text(), "Cem is rung", 40.0, seen=lambda: f"{ann.describe()}\n{cem.describe()}")
                cem.click("Accept with video")
                carried(ann, ["Bob", "Cem"])
                carried(bob, ["Ann", "Cem"])
                time.sleep(1.0)
                found["grow"].append(pair.end())
                found["three"].append(pair.steady())
                pair.begin()
                cem.click("Hang up")
                straight(ann)
                straight(bob)
                time.sleep(1.0)
                found["shrink"].append(pair.end())
                idle(cem)
                print(f"run {run + 1}:", {step: {kind: round(ms) for kind, ms in each[-1].items()} for step, each in found.items()}, flush=True)
        finally:
            for browser in browsers:
                browser.quit()
    return found


def main() -> int:
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    rows = []
    for step, without, words in (("grow", "two", "two to three"), ("shrink", "three", "three to two")):
        for kind, limit in LIMITS.items():
            values = [each[kind] for each in found[step]]
            base = [each[kind] for each in found[without]]
            rows.append(
                {
                    # The limit holds in every run, so the value is the worst of them. The baseline is the worst without a switch.
                    "name": f"{words}: longest standstill of a {kind}", "value": round(max(values), 1), "unit": "ms",
                    "baseline": round(max(base), 1), "ratio": None, "limit": limit, "runs": len(values),
                    "median": round(statistics.median(values), 1), "within": sum(value <= limit for value in values),
                }
            )  # fmt: skip
    print(f"{'':46}{'worst':>9}{'median':>9}{'no switch':>11}{'limit':>8}{'within':>9}")
    for row in rows:
        print(
            f"{row['name']:46}{row['value']:>6.0f} ms{row['median']:>6.0f} ms{row['baseline']:>8.0f} ms{row['limit']:>5} ms{row['within']:>6}/{row['runs']}"
        )
    return conclude("growing", rows)


if __name__ == "__main__":
    sys.exit(main())
