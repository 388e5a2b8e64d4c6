"""Rows of `make bench-sfu` beside forwarding: what joins cost, and what memory is held."""

import os
import secrets
import statistics
import time

from load_client import Load, Member, Node, Room, cpu_ns, resident
from sfu_report import Line
from waiting import wait_until

JOINS = int(os.environ.get("JOINS", "1000"))
KIB = 1024


def connected(load: Load, count: int) -> None:
    wait_until(lambda: load.status()["connected"] == count, f"{count} members are connected", 60, every=0.05, seen=load.status)


def joins(node: Node) -> list[Line]:
    """Joins and leaves, one after the other: how long an answer takes, and what is left of a hundred and of a thousand."""
    load = Load()
    # In turns: signal takes 50 messages a second of each.
    members = [Member(load, node.url) for _ in range(16)]
    took: list[float] = []
    memory: dict[int, int] = {}
    try:
        for count in range(1, JOINS + 1):
            member = members[count % len(members)]
            took.append(member.join("bench-" + secrets.token_hex(6), audio=True, video=True))
            connected(load, 1)
            member.leave()
            connected(load, 0)
            member.hear()
            member.wire.answers.clear()
            if count in (JOINS // 10, JOINS):
                # A node remembers for a minute which rooms ended, and looks then what it can give back.
                for _ in range(8):
                    time.sleep(10)
                    for each in members:
                        each.hear()
                memory[count] = resident(node.pid)
        for member in members:
            member.end()
    finally:
        load.stop()
    few, many = memory[JOINS // 10], memory[JOINS]
    return [
        Line("join message to SDP answer, median", statistics.median(took) * 1000, "ms", 15, runs=len(took)),
        Line(f"resident memory after {JOINS} joins and leaves, of after {JOINS // 10}", many / KIB, "KiB", 1.05, baseline=few / KIB),
    ]


def fill(node: Node, load: Load, count: int, room: str | None = None, **what: object) -> tuple[list[Member], float]:
    """Joins so many more members, in one room or each in its own; gives them and the resident memory that each added."""
    before, known = resident(node.pid), load.status()["members"]
    members = []
    for _ in range(count):
        member = Member(load, node.url)
        member.join(room or "bench-" + secrets.token_hex(6), **what)
        members.append(member)
    connected(load, known + count)
    time.sleep(1)
    for member in members:
        member.hear()
    return members, (resident(node.pid) - before) / count


def memory(node: Node) -> list[Line]:
    """What a connected participant holds, and what a picture that is sent or shown adds. Names of rows say what is taken off."""
    # All stay until the cluster ends: what one frees, another would be given.
    idlers, senders, watched = loads = Load(), Load(), Load()
    quiet = dict(audio=False, video=False)
    members: list[Member] = []
    try:
        # Slabs and allocators take some before it is theirs.
        members += fill(node, idlers, 20, **quiet)[0]
        some, idle = fill(node, idlers, 100, **quiet)
        members += some
        some, bare = fill(node, idlers, 40, **quiet, video_slots=0)
        members += some
        before = resident(node.pid)
        publishers, _ = fill(node, senders, 20, audio=False, video=True)
        # 2.5 Mbit/s, until rings have gone round.
        senders.say("send", "video", 30, 9, 1160, len(publishers))
        time.sleep(5)
        published = (resident(node.pid) - before) / len(publishers) - idle
        senders.say("quiet")
        room = "bench-" + secrets.token_hex(6)
        cameras, _ = fill(node, watched, 9, room, audio=False, video=True, audio_slots=0, video_slots=0)
        watched.say("send", "video", 30, 2, 600, len(cameras))
        time.sleep(15)
        for member in members + publishers + cameras:
            member.hear()
        before, count = resident(node.pid), 20
        fill(node, watched, count, room, **quiet, video_slots=9)
        wait_until(lambda: watched.status()["flows"] == 9 * count, "all pictures flow", 60, every=0.25, seen=watched.status)
        time.sleep(5)
        subscribed = ((resident(node.pid) - before) / count - bare) / 9
        watched.say("quiet")
    finally:
        for load in loads:
            load.stop()
    return [
        Line("memory of a connected idle participant, 8 and 4 slots", idle / KIB, "KiB", 160, runs=100),
        Line("memory of a published picture of 2.5 Mbit/s, its participant taken off", published / KIB, "KiB", 1536, runs=20),
        Line("memory of a subscribed picture, its participant taken off", subscribed / KIB, "KiB", 32, runs=9 * count),
    ]


def is_whole(seen: dict, receivers: int) -> bool:
    """Whether each packet arrived that should, but for those under way at the marks."""
    wanted = seen["sent"] * receivers
    return seen["seconds"] > 1 and wanted > 0 and not seen["gaps"] and not seen["wrong"] and abs(seen["received"] - wanted) <= 0.005 * wanted


def delay(node: Node) -> list[Line]:
    """How long a picture's packet is on its way while the node's core is half busy: sent, through both ends' sockets, and taken."""
    load = Load()
    rooms: list[Room] = []
    try:
        share, count = 0.0, 0
        while share < 0.45 and count < 16:
            load.say("quiet")
            # About as many more as are missing, by what those that are there cost.
            more = 2 if not count else max(1, round(count * (0.5 - share) / share * 0.8))
            for _ in range(more):
                rooms.append(Room(node, load, 10, audio=False, video=True, audio_slots=0, video_slots=9))
            count = len(rooms)
            load.say("send", "video", 30, 5, 1100, 10 * count)
            flows = 90 * count
            wait_until(lambda: load.status()["flows"] == flows, f"{flows} streams arrive", 90, every=0.25, seen=load.status)
            # While estimates of downlinks still climb, pictures pause and come back.
            load.mark()
            wait_until(lambda: is_whole(load.mark(), 9), "all packets arrive for two seconds", 60, every=2)
            load.mark()
            before, began = cpu_ns(node.pid), time.monotonic()
            time.sleep(4)
            share = (cpu_ns(node.pid) - before) / 1e9 / (time.monotonic() - began)
            seen = load.mark()
            for room in rooms:
                room.hear()
            print(f"  {count} rooms of 10: {share:.0%} of a core; " + "; ".join(f"{key} {value}" for key, value in seen.items()), flush=True)
        load.say("quiet")
        for room in rooms:
            room.end()
    finally:
        load.stop()
    fault = f"{seen['gaps']} gaps, {seen['wrong']} wrong" if seen["gaps"] or seen["wrong"] else None
    what = f"{count} rooms of 10, {share:.0%} of the core"
    return [
        Line(f"delay with the node, p50; {what}", seen["delay_p50_us"] / 1000, "ms", 0.5, invalid=fault),
        Line(f"delay with the node, p99; {what}", seen["delay_p99_us"] / 1000, "ms", 3, invalid=fault),
    ]


ROWS = {"delay": delay, "memory": memory, "joins": joins}
