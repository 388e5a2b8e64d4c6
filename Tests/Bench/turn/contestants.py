"""The servers that `make bench-turn` compares: ours, coturn, and the bare relay. Each is started on free ports and pinned to a core."""

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "Tests" / "Support"))

from processes import end  # noqa: E402

WORK = ROOT / ".bench" / "turn"
BIN = Path(os.environ.get("BIN", ROOT / ".build" / "release"))
COTURN = os.environ.get("COTURN") or shutil.which("turnserver")
COTURN_FLAGS = shlex.split(os.environ.get("COTURN_FLAGS", ""))
OURS_FLAGS = shlex.split(os.environ.get("OURS_FLAGS", ""))
USER, PASSWORD, REALM = "ann", "secret", "roost.test"


def free_port() -> int:
    """A port of 127.0.0.1 that neither UDP nor TCP has in use."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(("127.0.0.1", udp.getsockname()[1]))
            except OSError:
                continue
            return udp.getsockname()[1]


def alone_on(cores: set[int]) -> dict:
    """How a process is started that is measured: on these cores, and before other work if this user may say so.

    A session of its own is a scheduling group of its own (autogroup), and it is groups that share a core: a process's own nice value counts
    among its group only.
    """

    def prepare() -> None:
        os.sched_setaffinity(0, cores)
        try:
            os.nice(-20)
            Path("/proc/self/autogroup").write_text("-20")
        except OSError:
            pass

    return dict(preexec_fn=prepare, start_new_session=True)


def certificate() -> tuple[Path, Path]:
    """A P-256 certificate and its key, as both servers get it."""
    paths = WORK / "certificate.pem", WORK / "key.pem"
    if not all(path.exists() for path in paths):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
             "-subj", f"/CN={REALM}", "-out", paths[0], "-keyout", paths[1]],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return paths


@dataclass
class Contestant:
    """A server's process; `kind` is what TurnLoad is told."""

    name: str
    cores: set[int]
    workers: int = 1
    gso: bool = False
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    @property
    def kind(self) -> str:
        return "bare" if self.name.startswith("bare") else "udp"

    def command(self) -> list[str]:
        if self.kind == "bare":
            return [str(WORK / "relay"), str(self.port), *(["gso"] if self.gso else [])]
        chain, key = certificate()
        if self.name.startswith("coturn"):
            return [
                COTURN, "-n", "-m", str(self.workers), "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--listening-port", str(self.port),
                "--tls-listening-port", str(self.tls_port), "--cert", str(chain), "--pkey", str(key), "--no-dtls", "--no-cli",
                "--allow-loopback-peers", "--lt-cred-mech", "--realm", REALM, "--user", f"{USER}:{PASSWORD}", "--min-port", "20000",
                "--max-port", "65000", "--log-file", "/dev/null", "--simple-log", "--no-stdout-log", "--pidfile", str(WORK / "coturn.pid"),
                *COTURN_FLAGS,
            ]  # fmt: skip
        users = WORK / "users"
        users.write_text(f"{USER}:{PASSWORD}\n")
        users.chmod(0o600)
        return [
            str(BIN / "turn"), "--registry", "none", "--listen", f"127.0.0.1:{self.port}", "--tcp-listen", f"127.0.0.1:{self.port}",
            "--tls-listen", f"127.0.0.1:{self.tls_port}", "--relay-address", "127.0.0.1", "--relay-ports", "20000-65000", "--realm", REALM,
            "--users-file", str(users), "--allow-peer", "127.0.0.0/8", "--workers", str(self.workers), "--certificate", str(chain),
            "--private-key", str(key), "--run-dir", str(WORK / "run"), "--id", f"turn-{self.port}", "--drain-timeout", "1s",
            # Thousands of clients at one address are no attack here.
            "--stun-rate", "1000000", "--connections-per-address", "20000", *OURS_FLAGS,
        ]  # fmt: skip

    def start(self) -> "Contestant":
        log = open(WORK / f"{self.name.replace(' ', '-')}.log", "wb")
        self.process = subprocess.Popen(self.command(), cwd=WORK, stdout=log, stderr=log, **alone_on(self.cores))
        log.close()
        self.wait_until_ready(log.name)
        return self

    def wait_until_ready(self, log: str) -> None:
        """Asks until it answers: STUN Binding, or the bare relay's own question."""
        question = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + secrets.token_bytes(12)
        if self.kind == "bare":
            question = b"FLOW\x40\x00\x00\x09"
        for _ in range(100):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}; it said:\n{Path(log).read_text()[-2000:]}")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
                asker.settimeout(0.1)
                asker.connect(("127.0.0.1", self.port))
                try:
                    asker.send(question)
                    asker.recv(2048)
                    return
                except OSError:
                    time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer at port {self.port}; see {log}")

    def stop(self) -> None:
        end(self.process, 10)
        self.process = None


def missing(name: str) -> str | None:
    """Why a contestant cannot take part; None if it can."""
    if name.startswith("coturn"):
        return None if COTURN else "no turnserver here: apt-get install coturn, or say COTURN=/path"
    if name.startswith("ours"):
        program = BIN / "turn"
        if not program.exists():
            return f"{program} is not built"
        says = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=20)
        if "--relay-address" not in says.stdout + says.stderr:
            return "this turn relays nothing yet"
    return None
