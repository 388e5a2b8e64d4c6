"""coturn's own tools against our server: they lose no message and report no error."""

import hashlib
import re
import select
import socket
import subprocess
import time

import pytest

from cluster import free_ports
from turn_server import REALM, SECRET, TurnServer
from waiting import wait_until

MESSAGES = 20
CLIENTS = 4


@pytest.fixture(scope="module")
def server():
    # -G asks for peers at random, from 164.156.178.190 or 64.56.78.90 on: in one run of some hundreds it wanders into a private range,
    # which would be refused (403), and rightly.
    allowed = "127.0.0.0/8,100.64.0.0/10,192.168.0.0/16"
    with TurnServer("--allow-peer", allowed, "--relay-address", "127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def peer():
    """turnutils_peer: gives back whatever comes."""
    port = free_ports(2)
    process = subprocess.Popen(
        ["turnutils_peer", "-p", str(port), "-L", "127.0.0.1"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.3)
    yield port
    process.kill()
    process.wait()


def uclient(server: TurnServer, *arguments: str, port: int | None = None) -> str:
    """Runs turnutils_uclient to its end and gives back what it said."""
    command = [
        "turnutils_uclient", "-p", str(port or server.port), "-n", str(MESSAGES), "-m", str(CLIENTS), "-l", "200", "-z", "5",
        "-L", server.host, *arguments, server.host,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    return done.stdout + done.stderr


def check(output: str, *, clients: int = CLIENTS) -> None:
    """All messages that were sent came back, and no error is told of."""
    totals = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", output)
    assert totals, output[-3000:]
    sent, received = map(int, totals[-1])
    assert sent == received >= clients * MESSAGES, output[-3000:]
    assert "Total lost packets 0 (0.000000%)" in output, output[-3000:]
    # It tries old versions of TLS first now and then, which we do not speak, and goes on by itself.
    # And -G asks for a peer of the other family on purpose, which is 443.
    expected = ("alert protocol version", "error 443 (Peer Address Family Mismatch)")
    said = [line for line in output.splitlines() if not any(words in line for words in expected)]
    assert not any("error" in line.lower() for line in said), output[-3000:]


def assert_refused(output: str) -> None:
    """No allocation was made."""
    assert "Cannot complete Allocation" in output and "tot_recv_msgs" not in output, output[-2000:]


TRANSPORTS = {"udp": (), "tcp": ("-t",), "tls": ("-t", "-S")}
STATIC = ("-u", "alice", "-w", "a long password")
REST = ("-u", "carol", "-W", SECRET)


def cases(*rows: tuple[str, str]) -> list:
    """Transport and flags of uclient; each run takes some seconds, so not every pair is there."""
    return [pytest.param(transport, tuple(flags.split()), id=f"{transport} {flags or 'channels'}") for transport, flags in rows]


@pytest.mark.parametrize(
    ("transport", "options"),
    cases(("udp", ""), ("udp", "-c -s"), ("udp", "-g"), ("udp", "-G"), ("udp", "-D"), ("tcp", ""), ("tcp", "-s"), ("tls", ""), ("tls", "-s")),
)
def test_messages_come_back_from_a_peer(server, peer, transport, options):
    check(uclient(server, *TRANSPORTS[transport], *STATIC, *options, "-e", "127.0.0.1", "-r", str(peer)))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_time_limited_credentials(server, peer, transport):
    check(uclient(server, *TRANSPORTS[transport], *REST, "-e", "127.0.0.1", "-r", str(peer)))


@pytest.mark.parametrize(("transport", "options"), cases(("udp", "-y"), ("udp", "-y -s"), ("tcp", "-y -c"), ("tls", "-y")))
def test_clients_reach_each_other_by_their_relay_addresses(server, transport, options):
    check(uclient(server, *TRANSPORTS[transport], *STATIC, *options))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_the_port_of_tls_takes_what_the_first_byte_says(server, peer, transport):
    check(uclient(server, *TRANSPORTS[transport], *STATIC, "-e", "127.0.0.1", "-r", str(peer), port=server.tls_port))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_relaying_over_ipv6(transport):
    """-x: an IPv6 relay address, for a client that comes over IPv6 too."""
    with TurnServer("--allow-peer", "::1/128", "--relay-address", "::1", host="::1") as server:
        check(uclient(server, *TRANSPORTS[transport], *STATIC, "-x", "-y", "-c"))


def test_stunclient_learns_its_address(server):
    """Behind a translator of addresses, so that it is known which port it must learn."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inside, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        inside.bind(("127.0.0.1", 0))
        outside.bind(("127.0.0.1", 0))
        outside.connect((server.host, server.port))
        command = ["turnutils_stunclient", "-p", str(inside.getsockname()[1]), "127.0.0.1"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            asker = None
            while process.poll() is None:
                ready, _, _ = select.select([inside, outside], [], [], 0.05)
                if inside in ready:
                    question, asker = inside.recvfrom(2048)
                    outside.send(question)
                if outside in ready and asker is not None:
                    inside.sendto(outside.recv(2048), asker)
            said = process.communicate(timeout=20)[0]
        finally:
            process.kill()
        assert process.returncode == 0, said
        # It may say so on the terminal and in its log, both of which are here.
        assert set(re.findall(r"reflexive addr: (\S+)", said)) == {f"127.0.0.1:{outside.getsockname()[1]}"}, said


def test_a_wrong_password_is_refused(server, peer):
    output = uclient(server, "-u", "alice", "-w", "wrong", "-e", "127.0.0.1", "-r", str(peer))
    assert_refused(output)


def test_hashed_users_and_rotation_of_secrets_by_sighup(server, peer):
    toward = ("-e", "127.0.0.1", "-r", str(peer))
    key = hashlib.md5(f"dave:{REALM}:his password".encode()).hexdigest()
    users, secrets = server.users_file.read_text(), server.secret_file.read_text()
    server.users_file.write_text(users + f"user=dave:0x{key}\n")
    new = "another secret, at least 16 bytes"
    server.secret_file.write_text(secrets + new + "\n")
    server.reload()
    check(uclient(server, "-u", "dave", "-w", "his password", *toward))
    check(uclient(server, "-u", "carol", "-W", new, *toward))
    check(uclient(server, *REST, *toward))
    server.secret_file.write_text(new + "\n")
    server.reload()
    assert_refused(uclient(server, *REST, *toward))
    # A broken file is refused, and what was read before stays.
    server.secret_file.write_text("short\n")
    server.reload()
    check(uclient(server, "-u", "carol", "-W", new, *toward))
    server.users_file.write_text(users)
    server.secret_file.write_text(secrets)
    server.reload()


def test_peers_are_refused_unless_allowed(peer):
    with TurnServer(tls=False) as server:
        output = uclient(server, *STATIC, "-e", "127.0.0.1", "-r", str(peer))
        assert "403" in output or "Forbidden" in output, output[-2000:]
        # Relay addresses of the same server are no strangers.
        check(uclient(server, *STATIC, "-y", "-c"))


def test_allocations_are_counted_and_logged_without_secrets(server, peer):
    check(uclient(server, "-t", *STATIC, "-e", "127.0.0.1", "-r", str(peer)))
    wait_until(lambda: "allocation ended" in server.log(), "the end of an allocation is logged", 5, seen=server.log)
    assert server.metrics()["roost_turn_allocations_total"] >= CLIENTS
    assert server.metrics()['roost_turn_relayed_packets_total{direction="to_peers"}'] >= CLIENTS * MESSAGES
    log = server.log()
    for secret in ("a long password", SECRET, "alice"):
        assert secret not in log
