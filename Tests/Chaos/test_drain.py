"""SIGTERM of a turn server in the middle of a relayed call: it leaves the lists at once, and relays until the call ends."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from allocation import Allocation, Refused
from cluster import BUILD, Cluster, free_ports
from waiting import wait_until

# A lease (3 s) and what the allow-list keeps of a node that is gone (10 s), and a little.
LONGER_THAN_A_LEASE = 17.0
# Of its own network, so that no other server's relay ports stand for its in the allow-list.
ADDRESS, PORTS = "127.0.0.2", "41000-41999"


class Leaver:
    """A turn server that belongs to the cluster and has a minute to end, unlike those of `roost up`."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.folder = Path(tempfile.mkdtemp(prefix="roost-t-", dir="/tmp"))
        self.port = free_ports(1)
        self.log = self.folder / "log.txt"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(BUILD / "turn"), "--id", "leaver", "--run-dir", str(self.folder), "--drain-timeout", "60s",
                 "--registry", f"unix:{cluster.run}/registry-1.sock", "--secret-file", str(cluster.run / "turn-secret"),
                 "--listen", f"{ADDRESS}:{self.port}", "--tcp-listen", "none", "--tls-listen", "none",
                 "--relay-ports", PORTS],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def leaver(cluster) -> Iterator[Leaver]:
    made = Leaver(cluster)
    try:
        yield made
    finally:
        made.stop()


def places(wire) -> dict[str, dict]:
    """The turn servers that a client is given, by address and port."""
    servers = wire.ask("ice-servers")["iceServers"]
    found = {url.removeprefix("turn:").split("?")[0]: s for s in servers for url in s["urls"] if url.endswith("transport=udp")}
    return {place: server for place, server in found.items()}


def roost(cluster: Cluster, *arguments: str) -> None:
    subprocess.run([BUILD / "roost", *arguments, "--run-dir", str(cluster.run)], capture_output=True, timeout=30, check=True)


@pytest.mark.timeout(120)
def test_a_call_through_a_turn_server_that_drains_goes_on(cluster, wire, leaver):
    ann = wire("Ann")
    place, stays = f"{ADDRESS}:{leaver.port}", f"127.0.0.1:{cluster.turn_port}"
    given = wait_until(
        lambda: (lambda found: found if {place, stays} <= found.keys() else None)(places(ann)),
        "both turn servers are given out", 20, seen=leaver.log.read_text,
    )  # fmt: skip

    def allocation(at: str) -> Allocation:
        host, port = at.split(":")
        return Allocation(host, int(port), given[at]["username"], given[at]["credential"])

    with allocation(place) as one, allocation(stays) as other:
        here, there = one.allocate(), other.allocate()
        # Refused, unless the registry says that the other's relay ports are the fleet's.
        wait_until(lambda: permits(one, there) and permits(other, here), "each lets the other in", 10)

        def both_ways(number: int) -> None:
            for sender, receiver, to in ((one, other, there), (other, one, here)):
                sender.send(to, b"packet %d" % number)
                assert receiver.hear_data(2) == b"packet %d" % number

        both_ways(0)
        leaver.process.send_signal(signal.SIGTERM)
        left = time.monotonic()
        wait_until(lambda: place not in places(ann), "it is given to nobody any more", 2, every=0.05)
        # An operator who takes an earlier drain back does not bring back a server that ends.
        roost(cluster, "drain", "leaver")
        roost(cluster, "drain", "leaver", "--undo")
        number = 1
        while time.monotonic() - left < LONGER_THAN_A_LEASE:
            both_ways(number)
            assert place not in places(ann)
            number += 1
            time.sleep(0.25)
        # As clients do every few minutes.
        one.permit(there)
        other.permit(here)
        assert one.refresh(600) == 600
        both_ways(number)
        with allocation(place) as late, pytest.raises(Refused) as refusal:
            late.allocate()
        assert refusal.value.code == 508
        assert leaver.process.poll() is None
        # It is asked once, though it does not obey.
        assert leaver.log.read_text().count("the registry sets draining") <= 2
    assert leaver.process.wait(10) == 0, leaver.log.read_text()


def permits(client: Allocation, peer: tuple[str, int]) -> bool:
    try:
        client.permit(peer)
    except Refused as refusal:
        if refusal.code != 403:
            raise
        return False
    return True
