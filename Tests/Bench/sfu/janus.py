"""Janus with its videoroom, filled by the same load client as the node: what another SFU takes for the same packets.

Each member sends on one connection and takes all others on a second one, as Janus has it. Janus offers to who watches; the load client offers
as well, so an answer for each is made here out of the two offers. Janus takes no loopback address, hence the host's own.
"""

import itertools
import json
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.sync.client import connect

from load_client import SERVER_CORE, Load, alone_on, end, free_port, wait_until

JANUS = shutil.which("janus")


def own_address() -> str | None:
    """An address of this host that is no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # A route is looked up, nothing is sent: the address is one for documentation.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def missing() -> str | None:
    """Why Janus cannot take part; None if it can."""
    if JANUS is None:
        return "no janus here: apt-get install janus"
    return None if own_address() else "this host has no address but loopback"


def sections(sdp: str) -> list[list[str]]:
    """The lines of the session, then those of each m-line."""
    parts: list[list[str]] = [[]]
    for line in sdp.strip().split("\r\n"):
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def attribute(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.startswith(f"a={name}:"))


def transport(sdp: str) -> list[str]:
    """Who is at the other end, and how it is reached."""
    lines = [line for part in sections(sdp) for line in part]
    found = [attribute(lines, name) for name in ("ice-ufrag", "ice-pwd", "fingerprint")]
    return found + list(dict.fromkeys(line for line in lines if line.startswith("a=candidate:")))


def answer(offer: str, other: str, direction: str, setup: str, *, lite: bool) -> str:
    """An answer to `offer` from the side that speaks in `other`: all m-lines, their codecs and extensions as they are offered."""
    head, *media = sections(offer)
    mids = " ".join(attribute(lines, "mid").removeprefix("a=mid:") for lines in media)
    out = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}", *(["a=ice-lite"] if lite else [])]
    kept = ("a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:")
    for lines in media:
        out += [re.sub(r"^(m=\w+) \d+", r"\1 9", lines[0]), "c=IN IP4 0.0.0.0", *transport(other), f"a=setup:{setup}", f"a={direction}"]
        out += ["a=rtcp-mux", *(line for line in lines if line.startswith(kept))]
    return "\r\n".join(out) + "\r\n"


class Session:
    """A session of Janus's WebSocket protocol."""

    def __init__(self, port: int):
        self.socket = connect(f"ws://127.0.0.1:{port}", subprotocols=["janus-protocol"], max_size=None)
        self.numbers = itertools.count()
        self.id = self.ask(janus="create")["data"]["id"]

    def ask(self, until: str = "success", **message: object) -> dict:
        """Says something, and gives what answers it: at once, or as an event after an acknowledgement."""
        number = f"t{next(self.numbers)}"
        session = {"session_id": self.id} if hasattr(self, "id") else {}
        self.socket.send(json.dumps(message | session | {"transaction": number}))
        while True:
            heard = json.loads(self.socket.recv(timeout=20))
            if heard.get("transaction") != number or heard["janus"] == "ack" and until != "ack":
                continue
            problem = heard.get("error") or heard.get("plugindata", {}).get("data", {}).get("error")
            if problem:
                raise RuntimeError(f"janus: {problem}")
            return heard

    def attach(self) -> int:
        return self.ask(janus="attach", plugin="janus.plugin.videoroom")["data"]["id"]

    def tell(self, handle: int, body: dict, kind: str | None = None, sdp: str | None = None) -> dict:
        jsep = {"jsep": {"type": kind, "sdp": sdp}} if kind else {}
        return self.ask(janus="message", handle_id=handle, body=body, **jsep)

    def trickled(self, handle: int) -> None:
        self.ask("ack", janus="trickle", handle_id=handle, candidate={"completed": True})

    def live(self) -> None:
        self.ask("ack", janus="keepalive")


class JanusRoom:
    """A room of so many members, of whom each takes so many others."""

    def __init__(self, load: Load, members: int, receivers: int, *, sound: bool):
        self.load = load
        self.folder = Path(tempfile.mkdtemp(prefix="roost-janus-"))
        self.port = free_port()
        self.process = subprocess.Popen(self.command(), stdout=open(self.folder / "log", "wb"), stderr=subprocess.STDOUT, **alone_on({SERVER_CORE}))
        self.pid = self.process.pid
        self.sessions: list[Session] = []
        try:
            self.fill(members, receivers, sound)
        except BaseException:
            self.end()
            raise

    def command(self) -> list[str]:
        """Everything but what it needs here is off."""
        files = {
            "janus": f"""general: {{ configs_folder = "{self.folder}", session_timeout = 0, debug_level = 3 }}
                media: {{ rtp_port_range = "40000-45000", ipv6 = false }}
                nat: {{ ice_lite = true, full_trickle = false, ice_enforce_list = "{own_address()}" }}
                plugins: {{ disable = "{','.join(self.others('plugins', 'videoroom'))}" }}
                transports: {{ disable = "{','.join(self.others('transports', 'websockets'))}" }}""",
            "janus.transport.websockets": f"""general: {{ ws = true, ws_port = {self.port}, ws_ip = "127.0.0.1", ws_logging = 0 }}
                admin: {{ admin_ws = false }}""",
            "janus.plugin.videoroom": "general: { }",
        }
        for name, text in files.items():
            (self.folder / f"{name}.jcfg").write_text(text + "\n")
        return [JANUS, "-F", str(self.folder), "-C", str(self.folder / "janus.jcfg")]

    @staticmethod
    def others(kind: str, wanted: str) -> list[str]:
        folder = next(Path("/usr/lib").glob(f"*/janus/{kind}"), None)
        return [file.name for file in folder.glob("*.so") if wanted not in file.name] if folder else []

    def fill(self, members: int, receivers: int, sound: bool) -> None:
        wait_until(lambda: Session(self.port), "janus answers", 20, seen=(self.folder / "log").read_text)
        room = secrets.randbelow(1 << 31)
        self.sessions = [Session(self.port) for _ in range(members)]
        handle = self.sessions[0].attach()
        limits = dict(publishers=members, bitrate=0, fir_freq=0, audiolevel_event=False, transport_wide_cc_ext=True)
        self.sessions[0].tell(handle, dict(request="create", room=room, videocodec="vp8", audiocodec="opus", **limits))
        feeds = [self.publish(session, room, sound) for session in self.sessions]
        wait_until(lambda: self.load.status()["connected"] == members, "all can send", 30, seen=self.load.status)
        for place, session in enumerate(self.sessions):
            self.watch(session, room, [feeds[(place + step) % members] for step in range(1, receivers + 1)], sound)
        wait_until(lambda: self.load.status()["connected"] == 2 * members, "all are connected", 30, seen=self.load.status)

    def offer(self, *what: int) -> tuple[int, str]:
        number = self.load.next_member()
        line = self.load.say("offer", number, *what).split(" ", 2)[2]
        return number, line.replace("\t", "\r\n") + "\r\n"

    def take(self, number: int, sdp: str) -> None:
        self.load.say("answer", number, sdp.strip().replace("\r\n", "\t"))

    def publish(self, session: Session, room: int, sound: bool) -> int:
        handle = session.attach()
        feed = session.tell(handle, dict(request="join", ptype="publisher", room=room))["plugindata"]["data"]["id"]
        number, offer = self.offer(int(sound), int(not sound), 0, 0)
        # The load client begins DTLS.
        heard = session.tell(handle, dict(request="publish"), "offer", offer.replace("a=setup:actpass", "a=setup:active"))
        session.trickled(handle)
        self.take(number, heard["jsep"]["sdp"])
        return feed

    def watch(self, session: Session, room: int, feeds: list[int], sound: bool) -> None:
        handle = session.attach()
        heard = session.tell(handle, dict(request="join", ptype="subscriber", room=room, streams=[{"feed": feed} for feed in feeds]))
        theirs = heard["jsep"]["sdp"]
        number, ours = self.offer(0, 0, len(feeds) if sound else 0, 0 if sound else len(feeds))
        session.tell(handle, dict(request="start"), "answer", answer(theirs, ours, "recvonly", "active", lite=False))
        session.trickled(handle)
        self.take(number, answer(ours, theirs, "sendonly", "passive", lite=True))

    def hear(self) -> None:
        for session in self.sessions:
            session.live()

    def end(self) -> None:
        end(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
