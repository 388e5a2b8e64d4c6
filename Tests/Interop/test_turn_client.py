"""Our own TURN client, the machine of Shared/TURN on real sockets, against our server: as the benchmark drives it, over each transport."""

import json
import subprocess

import pytest

from cluster import BUILD
from turn_clients import LOOPBACK
from turn_server import USERS, TurnServer
from waiting import wait_until


def only(over: str) -> TurnServer:
    """A server that listens for one transport, so that no other can stand in for it."""
    server = TurnServer(*LOOPBACK)
    for way, name in (("udp", "--listen"), ("tcp", "--tcp-listen"), ("tls", "--tls-listen")):
        if way != over:
            server.arguments[server.arguments.index(name) + 1] = "none"
    return server


def load(server: TurnServer, over: str, *options: str, password: str = USERS["alice"]) -> subprocess.CompletedProcess:
    port = server.tls_port if over == "tls" else server.port
    return subprocess.run(
        [str(BUILD / "TurnLoad"), "--server", over, "--port", str(port), "--pid", str(server.process.pid), "--user", "alice",
         "--password", password, "--gentle", "1", "--warm-up", "0", *options],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("over", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("size", [24, 161, 1_200])
def test_data_goes_both_ways_whole_and_in_order(over: str, size: int):
    # An odd size: on a stream each message ends in padding, which is none of the data's.
    with only(over) as server:
        done = load(server, over, "--flows", "3", "--bytes", str(size), "--rate", "300", "--seconds", "1")
        assert done.returncode == 0, done.stdout
        seen = json.loads(done.stdout)
        assert seen["allocations"] == 3
        # A busy machine sends fewer than were asked for; none of them may be lost.
        assert seen["sent"] > 0 and seen["received"] == seen["sent"] and seen["wrong"] == 0, seen
        wait_until(
            lambda: server.metrics()["roost_turn_allocations"] == 0, "each allocation is given back by its client", 5, seen=server.log
        )


@pytest.mark.parametrize("over", ["udp", "tcp", "tls"])
def test_a_wrong_password_ends_it_with_the_reason(over: str):
    with only(over) as server:
        done = load(server, over, "--flows", "1", "--seconds", "0", password="wrong")
        assert done.returncode == 1
        assert "notAllocated" in done.stdout and "401" in done.stdout, done.stdout
