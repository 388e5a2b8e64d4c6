"""A turn server of its own for a test: no registry, loopback only, ended by process id whatever happens."""

import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

from cluster import BUILD, free_ports
from processes import end
from waiting import wait_until

REALM = "roost.test"
USERS = {"alice": "a long password"}
SECRET = "a secret of the test, 32 bytes.."


class TurnServer:
    """`turn` on its own ports: UDP and TCP (with TLS) on `port`, TLS on `port + 1`. Use it in a `with`."""

    def __init__(self, *arguments: str, host: str = "127.0.0.1", tls: bool = True, descriptors: int | None = None):
        """`descriptors`: how many it may have open."""
        self.descriptors = descriptors
        self.folder = Path(tempfile.mkdtemp(prefix="roost-turn-", dir="/tmp"))
        self.host = host
        self.port = free_ports(2)
        self.tls_port = self.port + 1
        self.users_file = self.folder / "users.txt"
        self.users_file.write_text("alice:a long password\n")
        self.secret_file = self.folder / "secrets.txt"
        self.secret_file.write_text(SECRET + "\n")
        shown = f"[{host}]" if ":" in host else host
        self.arguments = [
            str(BUILD / "turn"), "--run-dir", str(self.folder), "--registry", "none", "--realm", REALM,
            "--listen", f"{shown}:{self.port}", "--tcp-listen", f"{shown}:{self.port}", "--tls-listen", f"{shown}:{self.tls_port}",
            "--users-file", str(self.users_file), "--secret-file", str(self.secret_file), "--drain-timeout", "2s", *arguments,
        ]  # fmt: skip
        if tls:
            self.make_certificate()
            self.arguments += ["--certificate", str(self.folder / "cert.pem"), "--private-key", str(self.folder / "key.pem")]
        self.process: subprocess.Popen | None = None

    def make_certificate(self) -> None:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(self.folder / "key.pem"), "-out", str(self.folder / "cert.pem")],
            check=True, capture_output=True,
        )  # fmt: skip

    def __enter__(self) -> "TurnServer":
        log = open(self.folder / "log.txt", "wb")
        limited = ["prlimit", f"--nofile={self.descriptors}:{self.descriptors}"] if self.descriptors else []
        self.process = subprocess.Popen(
            limited + self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        try:
            wait_until(self.is_ready, "the turn server is ready", 20, seen=self.log)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        end(self.process, 6)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def admin(self) -> str:
        return (self.folder / "turn-1.admin").read_text().strip()

    def is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"turn ended with {self.process.returncode}: {self.log()}")
        with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=2) as answer:
            return answer.status == 200

    def log(self) -> str:
        return (self.folder / "log.txt").read_text(errors="replace")

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)

    def memory(self) -> int:
        """Resident bytes."""
        return psutil.Process(self.process.pid).memory_info().rss

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}
