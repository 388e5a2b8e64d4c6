"""The bus is for processes of the cluster's own user: its files say so, and where they are opened up, the kernel's word still does."""

import os
import stat
import subprocess
import sys

import pytest

from cluster import Cluster

CONNECT = """
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
try:
    s.connect(sys.argv[1])
    print(len(s.recv(100)))
except OSError as error:
    print(type(error).__name__)
"""


def connect(path: str, user: int) -> str:
    """What another user gets of a socket: how many bytes of a hello, or the error."""
    done = subprocess.run([sys.executable, "-S", "-c", CONNECT, path, str(user)], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be another user as well")
def test_another_user_cannot_speak_on_the_bus():
    nobody = 65534
    with Cluster() as cluster:
        sockets = [cluster.run / f"{id}.sock" for id in ("signal-1", "registry-1", "sfu-1")]
        assert stat.S_IMODE(cluster.run.stat().st_mode) == 0o700
        for path in sockets:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert connect(str(path), nobody) == "PermissionError"
        # Loosened by somebody: nothing is said to a stranger all the same.
        cluster.run.chmod(0o755)
        for path in sockets:
            path.chmod(0o666)
            assert connect(str(path), nobody) in ("0", "ConnectionResetError"), path
            assert int(connect(str(path), 0)) > 0
            log = (cluster.run / f"{path.stem}.log").read_text()
            assert "refused a bus connection of another user" in log, log
