"""A Roost of its own for a test: `roost up` with a fresh run folder and free ports, ended by process id whatever happens."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ROOST_BUILD", ROOT / ".build" / "release"))

# Below Linux's range of ephemeral ports (32768 on), so that no outgoing connection sits on one. Of pytest's workers, which
# look at the same time, each has its own.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = range(20000 + 3000 * (WORKER % 4), 23000 + 3000 * (WORKER % 4))


def free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that are free now on TCP and UDP, on all addresses."""
    for _ in range(200):
        first = random.choice(PORTS[:-count])
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind(("0.0.0.0", port))
            return first
        except OSError:
            continue
    raise RuntimeError(f"no {count} neighbouring free ports in {PORTS}")


@dataclass(frozen=True)
class Service:
    """One line of state.json."""

    id: str
    kind: str
    pid: int
    state: str
    admin: str
    restarts: int


class Cluster:
    """`roost up` and its children. Use it in a `with`, or call `stop`."""

    def __init__(self, *, nodes: int = 2, signals: int = 1, registries: int = 1, turns: int = 1, extra: tuple[str, ...] = ()):
        self.signals = signals
        # Short: Unix socket paths may have 107 bytes.
        self.run = Path(tempfile.mkdtemp(prefix="roost-t-", dir="/tmp"))
        self.http_port = free_ports(2 * signals + 2 * turns)
        self.https_port = self.http_port + signals
        self.turn_port = self.https_port + signals
        self.turn_tls_port = self.turn_port + turns
        # Not in the run folder, which is for roost to make.
        self.certificate = Path(tempfile.mkdtemp(prefix="roost-c-", dir="/tmp"))
        self._make_certificate()
        self.arguments = [
            str(BUILD / "roost"), "up", "--run-dir", str(self.run),
            "--http-port", str(self.http_port), "--https-port", str(self.https_port),
            "--turn-port", str(self.turn_port), "--turn-tls-port", str(self.turn_tls_port),
            "--certificate", str(self.certificate / "cluster.pem"), "--private-key", str(self.certificate / "cluster-key.pem"),
            "--nodes", str(nodes), "--signals", str(signals), "--registries", str(registries), "--turns", str(turns), *extra,
        ]  # fmt: skip
        self.expected = {"registry": registries, "sfu-node": nodes, "turn": turns, "signal": signals, "redis": 1}
        self.process: subprocess.Popen | None = None
        self.output = self.run / "output.txt"
        # Every process ever seen under this roost, so that none is forgotten when roost itself was killed.
        self.known: dict[int, psutil.Process] = {}

    def _make_certificate(self) -> None:
        """For pages and TURN over TLS; nobody trusts it."""
        files = ["-keyout", str(self.certificate / "cluster-key.pem"), "-out", str(self.certificate / "cluster.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *files],
            check=True, capture_output=True,
        )  # fmt: skip

    # -- life

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout: float = 60) -> None:
        """Starts it and waits until each service says that it is ready."""
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                self.arguments, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self.wait_whole(timeout)

    def wait_whole(self, timeout: float = 60) -> float:
        """Waits until every service runs and is ready; gives back the seconds that took."""
        began = time.monotonic()
        wait_until(self.is_whole, "every service is ready", timeout, every=0.1, seen=self.describe)
        return time.monotonic() - began

    def is_whole(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"roost up ended with {self.process.returncode}")
        self.notice()
        services = self.services()
        kinds = [s.kind for s in services]
        if any(kinds.count(kind) < count for kind, count in self.expected.items() if kind != "redis"):
            return False
        return all(psutil.pid_exists(s.pid) and self.ready(s) for s in services)

    def stop(self) -> None:
        """Ends it: politely, then by force; each process by its id."""
        try:
            self.notice()
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(15)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait(5)
        finally:
            for process in self.known.values():
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    pass
            keep = os.environ.get("ROOST_KEEP_RUNS")
            if not keep:
                shutil.rmtree(self.run, ignore_errors=True)
            shutil.rmtree(self.certificate, ignore_errors=True)

    # -- looking

    def notice(self) -> None:
        """Remembers the processes below roost."""
        if self.process is None:
            return
        try:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.known[child.pid] = child
        except psutil.NoSuchProcess:
            pass

    def alive(self) -> list[int]:
        """The processes of this cluster that still run (zombies do not)."""
        self.notice()
        found = []
        for pid, process in self.known.items():
            try:
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(pid)
            except psutil.NoSuchProcess:
                pass
        return found

    def state(self) -> dict:
        return json.loads((self.run / "state.json").read_text())

    def services(self) -> list[Service]:
        fields = Service.__dataclass_fields__
        return [Service(**{k: s.get(k) for k in fields}) for s in self.state()["services"]]

    def service(self, id: str) -> Service:
        for s in self.services():
            if s.id == id:
                return s
        raise KeyError(f"no service {id} in state.json: {[s.id for s in self.services()]}")

    def ready(self, service: Service) -> bool:
        if not service.admin:
            return service.state in ("ready", "running", "up")
        return self.admin(service.id, "/readyz", service=service)[0] == 200

    def admin(self, id: str, path: str, service: Service | None = None) -> tuple[int, str]:
        """A GET to the service's own HTTP port: status and body."""
        address = (service or self.service(id)).admin
        url = address if "://" in address else f"http://{address}"
        try:
            with urllib.request.urlopen(url + path, timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def describe(self) -> str:
        parts = []
        try:
            parts.append(json.dumps(self.state(), indent=1))
        except (OSError, ValueError) as error:
            parts.append(f"state.json: {error}")
        if self.output.exists():
            parts.append(self.output.read_text(errors="replace")[-4000:])
        return "\n".join(parts)

    # -- addresses

    def url(self, signal_number: int = 1) -> str:
        return f"http://localhost:{self.http_port + signal_number - 1}"

    def https_url(self, signal_number: int = 1) -> str:
        return f"https://localhost:{self.https_port + signal_number - 1}"

    # -- harm

    def kill(self, id: str, how: int = signal.SIGKILL) -> int:
        """Sends a signal to one service, by its process id, and gives that back."""
        self.notice()
        pid = self.service(id).pid
        os.kill(pid, how)
        return pid

    def wait_restarted(self, id: str, old_pid: int, timeout: float = 20) -> None:
        """Waits until `id` runs under another process id and is ready."""

        def back() -> bool:
            service = self.service(id)
            return service.pid != old_pid and psutil.pid_exists(service.pid) and self.ready(service)

        wait_until(back, f"{id} is restarted", timeout, seen=self.describe)
        self.notice()
