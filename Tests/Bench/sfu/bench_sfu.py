"""`make bench-sfu`: what a forwarded packet, a track, a participant and a join cost on an sfu-node; all on loopback in one run.

The node has one core, the load client another. Where a bare forwarder is compared, contestants take turns, round by round, so that
whatever else the machine does hits them alike; figures are medians over the rounds. A run that lost a packet, or whose load client
could not keep its pace, does not count and is repeated; a row without enough good runs says so and counts as failed.
"""

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass

from janus import JanusRoom, missing, own_address
from load_client import ROOT, WORK, CORES, Load, Node, Room, Yardstick, cpu_ns
from rows_rest import ROWS as REST, is_whole
from sfu_report import Line
from waiting import wait_until

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = float(os.environ.get("SECONDS_EACH", "4"))
ONLY = [name for name in os.environ.get("ROWS", "").split(",") if name]
TRIES = 3
MEMBERS = 10


@dataclass
class Traffic:
    """What each member sends: `rate` frames a second of so many packets."""

    kind: str
    rate: int
    packets: int
    bytes: int
    # How many of the others get each packet.
    receivers: int

    @property
    def words(self) -> list[object]:
        return [self.kind, self.rate, self.packets, self.bytes, MEMBERS]

    @property
    def forwarded_a_second(self) -> int:
        return MEMBERS * self.rate * self.packets * self.receivers


# 1.3 Mbit/s a picture. Of ten members' sound each hears the eight that its slots hold.
VIDEO = Traffic("video", 30, 5, 1100, receivers=9)
SOUND = Traffic("sound", 50, 1, 100, receivers=8)


def run(contestant: Room | Yardstick | JanusRoom, pid: int, traffic: Traffic) -> tuple[float | None, dict, str | None]:
    """CPU in microseconds a forwarded packet, what the load client saw, and why it does not count."""
    load = contestant.load
    load.say("send", *traffic.words)
    try:
        flows = MEMBERS * traffic.receivers
        wait_until(lambda: load.status()["flows"] == flows, f"{flows} streams arrive", 60, every=0.25, seen=load.status)
        # While estimates of downlinks still climb, pictures pause and come back.
        load.mark()
        wait_until(lambda: is_whole(load.mark(), traffic.receivers), "all packets arrive for two seconds", 60, every=2)
        load.mark()
        before = cpu_ns(pid)
        time.sleep(SECONDS)
        spent = cpu_ns(pid) - before
        seen = load.mark()
    finally:
        load.say("quiet")
        contestant.hear()
    wanted = seen["sent"] * traffic.receivers
    fault = None
    if seen["gaps"] or seen["wrong"]:
        fault = f"{seen['gaps']} gaps, {seen['wrong']} packets wrong"
    elif abs(seen["received"] - wanted) > 0.005 * wanted:
        fault = f"{seen['received']} packets came of {wanted}"
    elif seen["received"] < 0.98 * traffic.forwarded_a_second * seen["seconds"]:
        fault = f"the load client sent {seen['sent'] / seen['seconds']:.0f} packets a second"
    return spent / max(1, seen["received"]) / 1000, seen, fault


def compare(title: str, traffic: Traffic, gso: bool, limit: float, node: Node) -> list[Line]:
    """A row: the node and the yardstick in turns."""
    print(f"\n{title}")
    sound = traffic.kind == "sound"
    ours, bare = Load(), Load()
    room = Room(node, ours, MEMBERS, audio=sound, video=not sound, audio_slots=8 if sound else 0, video_slots=0 if sound else 9)
    yardstick = Yardstick(bare, MEMBERS, traffic.receivers, gso=gso)
    contestants = {"ours": (room, node.pid), "bare": (yardstick, yardstick.pid)}
    costs: dict[str, list[float]] = {}
    faults: list[str] = []
    others, janus = None, None
    try:
        if reason := missing():
            print(f"  without Janus: {reason}")
        else:
            others = Load(own_address())
            janus = JanusRoom(others, MEMBERS, traffic.receivers, sound=sound)
            contestants["janus"] = (janus, janus.pid)
        costs |= {name: [] for name in contestants}
        for _ in range(ROUNDS):
            for name, (contestant, pid) in contestants.items():
                for _ in range(TRIES):
                    try:
                        cost, seen, fault = run(contestant, pid, traffic)
                    except AssertionError as error:
                        cost, seen, fault = None, {}, str(error)[:300]
                    print(f"  {name:8}{cost or 0:>8.2f} us   {'; '.join(f'{k} {v}' for k, v in seen.items())} {fault or ''}", flush=True)
                    if fault is None:
                        costs[name].append(cost)
                        break
                    faults.append(f"{name}: {fault}")
        room.end()
    finally:
        yardstick.end()
        ours.stop()
        bare.stop()
        if janus:
            janus.end()
        if others:
            others.stop()
    medians = {name: statistics.median(runs) if runs else None for name, runs in costs.items()}
    lines = []
    # Janus has no limit: it is told beside.
    for name, bound in (("ours", limit), ("janus", None)):
        if name in costs:
            invalid = None if all(len(costs[each]) >= ROUNDS for each in (name, "bare")) else "; ".join(dict.fromkeys(faults))
            what = f"{title}: CPU a forwarded packet" + ("" if name == "ours" else ", Janus's")
            lines.append(Line(what, medians[name], "us", bound, baseline=medians["bare"], runs=len(costs[name]), invalid=invalid))
    return lines


FORWARDING = {
    "video": lambda node: compare("pictures: 1,100 B packets in frames of 5, 10 to 9 each, of the yardstick with UDP_SEGMENT", VIDEO, True, 1.4, node),
    "sound": lambda node: compare("sound: 100 B packets, 10 to 8 each, of the yardstick by sendmmsg", SOUND, False, 1.6, node),
}


def main() -> int:
    WORK.mkdir(parents=True, exist_ok=True)
    if len(CORES) < 2:
        print("one core only: node and load client share it, and figures mean little")
    lines: list[Line] = []
    for key, row in (FORWARDING | REST).items():
        if ONLY and key not in ONLY:
            continue
        # Each on a fresh node: memory of one row is not another's.
        node = Node()
        try:
            lines += row(node)
        finally:
            node.stop()
    (ROOT / ".bench" / "sfu.json").write_text(json.dumps([line.json() for line in lines], indent=1) + "\n")
    print()
    for line in lines:
        print(line.text())
    lines = [line for line in lines if line.limit is not None]
    over = [line for line in lines if not line.is_met]
    print(f"\n{len(lines) - len(over)} of {len(lines)} limits met")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
