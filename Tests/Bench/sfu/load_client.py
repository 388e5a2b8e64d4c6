"""The load client's process, the rooms it fills on a node by way of signal, and the yardstick that it fills instead."""

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
for folder in ("Tests/Support", "Tests/Bench/turn"):
    sys.path.insert(0, str(ROOT / folder))

from cluster import Cluster  # noqa: E402
from contestants import alone_on, free_port  # noqa: E402
from processes import end  # noqa: E402
from waiting import wait_until  # noqa: E402
from wire import Wire, unique  # noqa: E402

WORK = ROOT / ".bench" / "sfu"
BIN = Path(os.environ.get("BIN", ROOT / ".build" / "release"))
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (OSError, IndexError):
            pass
    return total


def resident(pid: int) -> int:
    """Resident memory in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def pin(pid: int, cores: set[int], first: bool = False) -> None:
    """Puts all threads of a running process on these cores, and before other work if `first` and this user may say so."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(task.name), cores)
            if first:
                os.setpriority(os.PRIO_PROCESS, int(task.name), -20)
        except OSError:
            pass
    if first:
        try:
            Path(f"/proc/{pid}/autogroup").write_text("-20")
        except OSError:
            pass


class Load:
    """One load client: a command a line, an answer a line."""

    def __init__(self, address: str = "127.0.0.1"):
        self.process = subprocess.Popen(
            [str(BIN / "SFULoad"), address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, **alone_on({LOAD_CORE})
        )
        self.count = 0

    def say(self, *words: object) -> str:
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"load client: {words[0]}: {answer or 'it ended'}")
        return answer

    def status(self) -> dict:
        return json.loads(self.say("status"))

    def mark(self) -> dict:
        return json.loads(self.say("mark"))

    def next_member(self) -> int:
        self.count += 1
        return self.count - 1

    def stop(self) -> None:
        # It ends with its input.
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            end(self.process)


class Session(Wire):
    """A session that acknowledges what it heard now and then, not each message: signal takes 50 a second."""

    def send_quietly(self, message: dict) -> None:
        pass

    def acknowledge(self) -> None:
        super().send_quietly({"type": "ack", "seq": self.seq})


class Member:
    """A member of a room: its session with signal here, its media in the load client."""

    def __init__(self, load: Load, url: str):
        self.load = load
        self.wire = Session(url).hello(unique("Load"))
        self.number = -1
        self.room = ""

    def join(self, room: str, *, audio: bool, video: bool, audio_slots: int = 8, video_slots: int = 4) -> float:
        """Joins and connects; returns the seconds from the join message to the answer to the offer."""
        self.room = room
        self.number = self.load.next_member()
        mids = self.load.say("offer", self.number, int(audio), int(video), audio_slots, video_slots).split(" ", 2)
        sdp = mids[2].replace("\t", "\r\n") + "\r\n"
        began = time.perf_counter()
        media = {"audio": audio, "video": video, "screen": False}
        self.wire.ask("join", room=room, kind="room", topology="sfu", media=media)
        answer = self.wire.ask("offer", room=room, n=1, sdp=sdp)
        took = time.perf_counter() - began
        self.load.say("answer", self.number, answer["sdp"].replace("\r\n", "\t"))
        self.wire.ask("answered", room=room, n=1)
        tracks = [{"mid": mid, "source": source, "muted": False} for mid, source in zip(mids[:2], ("microphone", "camera")) if mid != "-"]
        self.wire.ask("publish", room=room, tracks=tracks)
        return took

    def leave(self) -> None:
        self.load.say("leave", self.number)
        self.wire.ask("leave", room=self.room)

    def hear(self) -> None:
        """Takes what signal said, and says something, as a page does: who is silent is cut off."""
        self.wire.start("ping")
        while self.wire.pump(0.001):
            pass
        self.wire.acknowledge()
        self.wire.heard.clear()
        self.wire.other.clear()

    def end(self) -> None:
        # As a page that is closed: no word is needed.
        self.wire.close()


class Node:
    """The cluster that is measured, and of it the one node."""

    name = "ours"

    def __init__(self):
        # All members come from one address.
        os.environ["ROOST_SOCKETS_PER_ADDRESS"] = "2000"
        self.cluster = Cluster(nodes=1, turns=0)
        self.cluster.start()
        for service in self.cluster.services():
            pin(service.pid, {LOAD_CORE})
        self.pid = next(s.pid for s in self.cluster.services() if s.kind == "sfu-node")
        pin(self.pid, {SERVER_CORE}, first=True)

    @property
    def url(self) -> str:
        return self.cluster.url()

    def stop(self) -> None:
        self.cluster.stop()


class Room:
    """So many members in one room, all sending or receiving as told."""

    def __init__(self, node: Node, load: Load, members: int, *, audio: bool, video: bool, audio_slots: int, video_slots: int):
        self.load = load
        self.members: list[Member] = []
        room = "bench-" + secrets.token_hex(6)
        for _ in range(members):
            member = Member(load, node.url)
            self.members.append(member)
            member.join(room, audio=audio, video=video, audio_slots=audio_slots, video_slots=video_slots)
        wait_until(lambda: load.status()["connected"] == load.status()["members"], "all members are connected", 30, seen=load.status)

    def hear(self) -> None:
        for member in self.members:
            member.hear()

    def end(self) -> None:
        for member in self.members:
            member.leave()
            member.end()


class Yardstick:
    """The bare forwarder, with so many members."""

    def __init__(self, load: Load, members: int, receivers: int, *, gso: bool):
        self.load = load
        port = free_port()
        command = [str(WORK / "forward"), str(port), str(receivers), *(["gso"] if gso else [])]
        self.process = subprocess.Popen(command, **alone_on({SERVER_CORE}))
        self.pid = self.process.pid
        time.sleep(0.2)
        # One after the other: whom a member's packets go to follows from the order.
        for count in range(members):
            load.say("bare", load.next_member(), port)
            wait_until(lambda: load.status()["connected"] == count + 1, "the yardstick takes members", 10, every=0.02, seen=load.status)

    def hear(self) -> None:
        pass

    def end(self) -> None:
        end(self.process)
