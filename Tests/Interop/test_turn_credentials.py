"""TURN through the cluster: credentials that signal hands out, their secret replaced, quotas and drains over two turn servers."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from allocation import Allocation, Refused
from cluster import BUILD, Cluster, free_ports
from processes import end
from waiting import wait_until
from wire import Wire


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two turn servers, three allocations a user."""
    os.environ["ROOST_USER_QUOTA"] = "3"
    try:
        with Cluster(turns=2) as made:
            yield made
    finally:
        del os.environ["ROOST_USER_QUOTA"]


def ice(client: Wire) -> list[dict]:
    return client.ask("ice-servers")["iceServers"]


def udp_port(server: dict) -> int | None:
    """Where on loopback this server is, by its UDP URL."""
    for url in server["urls"]:
        if found := re.fullmatch(r"turn:127\.0\.0\.1:(\d+)\?transport=udp", url):
            return int(found[1])
    return None


def at(servers: list[dict], port: int) -> dict:
    """The server on this port."""
    for server in servers:
        if udp_port(server) == port:
            return server
    raise AssertionError(f"no turn server on port {port}: {[s['urls'] for s in servers]}")


def allocation(server: dict) -> Allocation:
    port = udp_port(server)
    assert port is not None, server["urls"]
    return Allocation("127.0.0.1", port, server["username"], server["credential"])


def write_secrets(cluster: Cluster, *lines: str) -> None:
    """Replaces the file, and has everybody who reads it read it again."""
    path = Path(cluster.run) / "turn-secret"
    path.write_text("\n".join(lines) + "\n")
    readers = ["registry-1", "turn-1", "turn-2"]
    before = {id: reloads(cluster, id) for id in readers}
    for id in readers:
        os.kill(cluster.service(id).pid, signal.SIGHUP)
    for id in readers:
        wait_until(lambda id=id: reloads(cluster, id) > before[id], f"{id} has read its files again", 10)


def reloads(cluster: Cluster, id: str) -> int:
    """How often it said so. The log file comes first, what a service adds after it: two lines at least."""
    return len(re.findall(r"reloaded.*(secret|credential|setting)", (cluster.run / f"{id}.log").read_text()))


def signed_by(secret: str, server: dict) -> bool:
    mac = hmac.new(secret.encode(), server["username"].encode(), hashlib.sha1).digest()
    return base64.b64encode(mac).decode() == server["credential"]


def roost(cluster: Cluster, *arguments: str) -> str:
    ended = subprocess.run(
        [BUILD / "roost", *arguments, "--run-dir", str(cluster.run)], capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_turn_servers_take_what_signal_hands_out(cluster, wire):
    ann = wire("Ann")
    servers = ann.session["iceServers"]
    assert {udp_port(s) for s in servers} == {cluster.turn_port, cluster.turn_port + 1}
    for server in servers:
        expiry, user = server["username"].split(":", 1)
        assert 86_000 < int(expiry) - time.time() <= 86_400 and user == ann.session["session"]
        assert f"turn:127.0.0.1:{udp_port(server)}?transport=tcp" in server["urls"]
        with allocation(server) as relay:
            assert relay.allocate()[1] >= 49_152
            assert relay.refresh(600) == 600


def test_a_wrong_credential_is_refused(cluster, wire):
    server = wire("Ann").session["iceServers"][0]
    later = f"{int(time.time()) + 200_000}:{server['username'].split(':', 1)[1]}"
    for username, credential in [(server["username"], "wrong"), (later, server["credential"])]:
        with allocation({**server, "username": username, "credential": credential}) as relay:
            with pytest.raises(Refused) as refusal:
                relay.allocate()
            assert refusal.value.code == 401


def allocated(relay) -> None:
    """Makes an allocation; what the same user just gave up may count a moment longer, as servers tell the registry of it."""

    def granted() -> bool:
        try:
            relay.allocate()
        except Refused as refusal:
            if refusal.code != 486:
                raise AssertionError(f"refused with {refusal.code}") from refusal
            return False
        return True

    wait_until(granted, "the allocation is granted", 5)


def test_the_secret_is_replaced_without_a_client_noticing(cluster, wire):
    ann = wire("Ann")
    old, new = (cluster.run / "turn-secret").read_text().strip(), secrets.token_hex(24)
    before = at(ice(ann), cluster.turn_port)
    assert signed_by(old, before)
    with allocation(before) as relay:
        relay.allocate()
        write_secrets(cluster, old, new)
        assert signed_by(old, at(ice(ann), cluster.turn_port))
        assert relay.refresh() == 600

        write_secrets(cluster, new, old)
        after = at(ice(ann), cluster.turn_port)
        assert signed_by(new, after)
        for server in (before, after):
            with allocation(server) as other:
                allocated(other)
        assert relay.refresh() == 600

    write_secrets(cluster, new)
    with allocation(before) as relay, pytest.raises(Refused) as refusal:
        relay.allocate()
    assert refusal.value.code == 401
    with allocation(after) as relay:
        allocated(relay)


def test_a_secret_file_that_cannot_be_used_changes_nothing(cluster, wire):
    ann, path = wire("Ann"), cluster.run / "turn-secret"
    whole = path.read_text()
    try:
        path.write_text("short\n")
        for id in ("registry-1", "turn-1"):
            os.kill(cluster.service(id).pid, signal.SIGHUP)
            log = cluster.run / f"{id}.log"
            wait_until(lambda log=log: "cannot reload" in log.read_text(), f"{id} says that it cannot", 10)
        with allocation(at(ice(ann), cluster.turn_port)) as relay:
            relay.allocate()
    finally:
        path.write_text(whole)


def test_neither_secrets_nor_credentials_are_in_a_log(cluster, wire):
    server = ice(wire("Ann"))[0]
    with allocation(server) as relay:
        relay.allocate()
    secret = (cluster.run / "turn-secret").read_text().strip()
    for log in cluster.run.glob("*.log"):
        text = log.read_text(errors="replace")
        assert secret not in text and server["credential"] not in text, log


def test_a_drained_turn_server_is_given_to_nobody_and_goes_on_relaying(cluster, wire):
    ann = wire("Ann")
    with allocation(at(ice(ann), cluster.turn_port)) as relay:
        relay.allocate()
        roost(cluster, "drain", "turn-1")
        try:
            # At once: the command has ended, so the registry has it.
            assert [udp_port(s) for s in ice(ann)] == [cluster.turn_port + 1]
            assert re.search(r"^turn-1 +turn +draining", roost(cluster, "nodes"), re.MULTILINE)
            assert relay.refresh() == 600
        finally:
            roost(cluster, "drain", "turn-1", "--undo")
        wait_until(lambda: len(ice(ann)) == 2, "turn-1 is given out again", 10)


def refused(relay: Allocation, number: int, place: tuple[str, int]) -> int:
    """The code that a channel to a peer is refused with, or 0."""
    try:
        relay.bind(number, place)
    except Refused as refusal:
        return refusal.code
    return 0


@pytest.fixture
def behind_nat(cluster) -> Iterator[int]:
    """A turn server of the cluster behind a 1:1 NAT, in a region of its own; its port."""
    folder, port = Path(tempfile.mkdtemp(prefix="roost-t-", dir="/tmp")), free_ports(1)
    command = [
        str(BUILD / "turn"), "--id", "natted", "--region", "far", "--run-dir", str(folder), "--drain-timeout", "1s",
        "--registry", f"unix:{cluster.run}/registry-1.sock", "--secret-file", str(cluster.run / "turn-secret"),
        "--listen", f"127.0.0.3:{port}", "--tcp-listen", "none", "--tls-listen", "none", "--relay-ports", "42000-42063",
        "--external-ip", "10.77.0.1/127.0.0.3",
    ]  # fmt: skip
    with open(folder / "log.txt", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield port
    finally:
        end(process, 6)
        shutil.rmtree(folder, ignore_errors=True)


def test_a_turn_server_behind_a_nat_tells_its_addresses_region_and_load(cluster, wire, behind_nat):
    """The registry tells the others: its relays, by either address, are reached at theirs, and no other port beside them."""
    ann = wire("Ann")
    with allocation(at(ice(ann), cluster.turn_port)) as relay:
        relay.allocate()

        wait_until(lambda: refused(relay, 0x4000, ("10.77.0.1", 42000)) == 0, "its relays are on the list", 10)
        assert refused(relay, 0x4001, ("127.0.0.3", 42063)) == 0
        for number, place in enumerate([("10.77.0.1", 41999), ("10.77.0.1", 42064), ("127.0.0.3", 42064), ("127.0.0.3", behind_nat)]):
            assert refused(relay, 0x4002 + number, place) == 403, place
        # Of another region, so not among those that clients here are given; its credentials are those of all.
        given = at(ice(ann), cluster.turn_port)
        with Allocation("127.0.0.3", behind_nat, given["username"], given["credential"]) as other:
            host, port = other.allocate()
            assert host == "10.77.0.1" and 42000 <= port <= 42063
            row = r"^natted +turn +live +far +\d+% +1 allocations"
            wait_until(lambda: re.search(row, roost(cluster, "nodes"), re.MULTILINE), "where it is and what it has", 10)


def test_a_turn_server_lets_nobody_reach_what_else_is_in_its_range_of_ports(cluster, wire):
    """The registry tells each of all ranges, its own among them."""
    server = at(ice(wire("Ann")), cluster.turn_port)
    with allocation(server) as one, allocation(server) as two, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as program:
        host, port = one.allocate()
        # Its own are the first half of the usual ones (Plan.swift); what is taken there is somebody's.
        for number in range(49_152, 57_344):
            try:
                program.bind((host, number))
                break
            except OSError:
                continue

        wait_until(lambda: refused(one, 0x4002, (host, 65_535)) == 0, "the list is there, and has the other server's range", 10)
        assert refused(one, 0x4000, program.getsockname()) == 403
        relayed = two.allocate()
        two.permit((host, port))
        one.bind(0x4001, relayed)
        one.send_channel(0x4001, b"a relay is reached")
        assert two.hear_data() == b"a relay is reached"


def test_a_users_quota_holds_over_both_turn_servers(cluster, wire):
    ann = wire("Ann")
    servers = ice(ann)
    one, two = at(servers, cluster.turn_port), at(servers, cluster.turn_port + 1)
    relays = [allocation(one) for _ in range(3)]
    try:
        for relay in relays:
            relay.allocate()
        with allocation(two) as fourth:
            with pytest.raises(Refused) as refusal:
                fourth.allocate()
            assert refusal.value.code == 486
        # Somebody else is free to.
        with allocation(at(ice(wire("Bob")), cluster.turn_port + 1)) as other:
            other.allocate()
        relays.pop().close()

        def free() -> bool:
            with allocation(two) as another:
                try:
                    another.allocate()
                except Refused:
                    return False
            return True

        wait_until(free, "the place of the one that ended", 5)
    finally:
        for relay in relays:
            relay.close()


def test_a_dead_turn_server_is_given_to_nobody_and_its_allocations_are_free(cluster, wire):
    ann = wire("Ann")
    servers = ice(ann)
    one, two = at(servers, cluster.turn_port), at(servers, cluster.turn_port + 1)
    relays = [allocation(one) for _ in range(3)]
    for relay in relays:
        relay.allocate()
    old = cluster.kill("turn-1")
    for relay in relays:
        relay.socket.close()

    def free() -> bool:
        with allocation(two) as another:
            try:
                another.allocate()
            except Refused:
                return False
        return True

    wait_until(free, "what the dead one held is free", 10)
    cluster.wait_restarted("turn-1", old)
    wait_until(lambda: len(ice(ann)) == 2, "the restarted one is given out", 10)
    with allocation(at(ice(ann), cluster.turn_port)) as relay:
        relay.allocate()
