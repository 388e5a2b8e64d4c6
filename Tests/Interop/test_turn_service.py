"""A turn server as an operator meets it: what it refuses to start with, what SIGHUP changes, how a drain ends, what its limits and numbers say."""

import hashlib
import hmac
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time
from pathlib import Path

import pytest

from allocation import ALLOCATE, EVEN_PORT, FAILURE, NONCE, REALM, TRANSPORT, USERNAME, Allocation, Refused, attribute, connected, header
from cluster import BUILD, free_ports
from turn_clients import LOOPBACK, client, peer, refusal
from turn_server import USERS, TurnServer
from waiting import wait_until


# -- start


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--relay-address", "192.0.2.77"], "cannot relay from 192.0.2.77"),
        (["--relay-address", "0.0.0.0"], "bad value for relay-address"),
        (["--relay-address", "127.0.0.1", "--external-ip", "8.8.4.4/10.99.0.1"], "nothing is relayed from"),
        (["--max-lifetime", "0s"], "bad value for max-lifetime"),
        (["--realm", "r" * 49], "bad value for realm"),
        (["--service-address", "no-such-name.invalid:6379"], "no-such-name.invalid has no address"),
    ],
)
def test_what_it_cannot_serve_with_is_said_at_the_start(tmp_path: Path, flags: list[str], words: str):
    command = [
        str(BUILD / "turn"), "--run-dir", str(tmp_path), "--registry", "none", "--listen", f"127.0.0.1:{free_ports(1)}",
        "--tcp-listen", "none", "--tls-listen", "none", *flags,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode in (1, 64), done.stderr
    assert words in done.stderr
    assert "Fatal" not in done.stderr


# -- SIGHUP


def test_the_file_of_settings_is_read_anew_and_what_needs_a_restart_is_said():
    server = TurnServer("--relay-address", "127.0.0.1", tls=False)
    file = server.folder / "turn.json"
    file.write_text(json.dumps({"allow-peer": "127.0.0.0/8"}))
    server.arguments += ["--config", str(file)]
    with server, client(server) as first, client(server) as second, peer() as far:
        first.allocate()
        first.bind(0x4000, far.getsockname())
        file.write_text(json.dumps({"deny-peer": "127.0.0.0/8", "user-quota": 1, "pace": 500}))
        server.reload()
        wait_until(lambda: "settings changed" in server.log(), "the settings are read", 5, seen=server.log)
        first.send_channel(0x4000, b"cut at once")
        assert refusal(lambda: first.permit(far.getsockname())) == 403
        assert refusal(second.allocate) == 486
        far.settimeout(0.3)
        with pytest.raises(TimeoutError):
            far.recv(100)
        restart = [line for line in server.log().splitlines() if "need a restart" in line]
        assert restart and "pace" in restart[-1] and "deny-peer" not in restart[-1]

        file.write_text(json.dumps({"allow-peer": "127.0.0.0/33"}))
        server.reload()
        wait_until(lambda: "cannot reload" in server.log(), "a broken file is refused", 5, seen=server.log)
        assert refusal(second.allocate) == 486, "the old state stays"


def test_a_hang_up_in_a_drain_does_not_take_new_clients():
    server = TurnServer(*LOOPBACK, tls=False)
    server.arguments[server.arguments.index("--drain-timeout") + 1] = "6s"
    with server, client(server) as first:
        first.allocate()
        for _ in range(20):
            server.process.send_signal(signal.SIGHUP)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(20):
            server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "waiting for allocations" in server.log(), "it drains", 5, seen=server.log)
        time.sleep(0.5)
        with client(server) as late:
            assert refusal(late.allocate) == 508


def test_a_new_certificate_is_shown_after_sighup_and_a_broken_one_never():
    def shown(port: int) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as stream:
            return stream.getpeercert(binary_form=True)

    with TurnServer(*LOOPBACK) as server, client(server, "tls") as before:
        before.allocate()
        first = shown(server.tls_port)
        server.make_certificate()
        server.reload()
        wait_until(lambda: shown(server.tls_port) != first, "the new certificate is shown", 5, seen=server.log)
        second = shown(server.port)
        assert second == shown(server.tls_port) != first
        assert before.refresh(600) == 600, "who was there stays"
        (server.folder / "cert.pem").write_text("no certificate")
        server.reload()
        wait_until(lambda: "cannot reload" in server.log(), "the broken one is refused", 5, seen=server.log)
        assert shown(server.tls_port) == second


# -- drain


def ended(server: TurnServer, reason: str) -> int:
    return sum("allocation ended" in line and reason in line for line in server.log().splitlines())


def test_a_drain_that_reaches_its_deadline_ends_what_is_left_and_says_so():
    with TurnServer(*LOOPBACK, tls=False) as server, client(server) as one, client(server) as two:
        one.allocate()
        two.allocate()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(8) == 0, server.log()
        assert ended(server, "server_ends") == 2, server.log()


def test_a_drain_ends_at_its_floor():
    server = TurnServer(*LOOPBACK, "--drain-floor", "1", tls=False)
    server.arguments[server.arguments.index("--drain-timeout") + 1] = "30s"
    with server, client(server) as one, client(server) as two:
        one.allocate()
        two.allocate()
        time.sleep(0.4)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "waiting for allocations" in server.log(), "it drains", 5, seen=server.log)
        time.sleep(1)
        assert server.process.poll() is None
        one.refresh(0)
        assert server.process.wait(8) == 0, server.log()
        assert ended(server, "server_ends") == 1 and ended(server, "deleted") == 1, server.log()


# -- limits


@pytest.mark.parametrize("flag", ["--user-bandwidth", "--total-bandwidth"])
def test_bandwidth_is_limited_in_each_direction_apart(flag: str):
    with TurnServer(*LOOPBACK, flag, "400000", tls=False) as server, client(server) as one, peer() as far:
        relayed = one.allocate()
        one.bind(0x4000, far.getsockname())
        # A second's worth is 50,000 bytes. Ten times that, each way.
        for _ in range(500):
            one.send_channel(0x4000, bytes(1000))
        for _ in range(500):
            far.sendto(bytes(1000), relayed)
            time.sleep(0.0002)
        to_peers, to_clients = 0, 0
        far.settimeout(0.5)
        try:
            while True:
                to_peers += len(far.recv(2000))
        except TimeoutError:
            pass
        while (data := one.hear_data(0.5)) is not None:
            to_clients += len(data)
        for bytes_passed in (to_peers, to_clients):
            assert 40_000 <= bytes_passed <= 110_000, (to_peers, to_clients)
        cause = flag.removeprefix("--").replace("-", "_")
        assert server.metrics()[f'roost_turn_dropped_total{{cause="{cause}"}}'] > 500


def test_the_least_bandwidth_is_no_unlimited_one():
    with TurnServer(*LOOPBACK, "--user-bandwidth", "7", tls=False) as server, client(server) as one, peer() as far:
        one.allocate()
        one.bind(0x4000, far.getsockname())
        for _ in range(20):
            one.send_channel(0x4000, bytes(1000))
        time.sleep(0.4)
        assert server.metrics()['roost_turn_dropped_total{cause="user_bandwidth"}'] >= 18


def test_reserved_ports_of_a_user_are_few_and_come_back_by_themselves():
    with TurnServer(*LOOPBACK, "--relay-ports", "48100-48163", tls=False) as server:
        clients = [client(server) for _ in range(12)]
        try:
            codes = []
            for each in clients:
                try:
                    each.allocate((EVEN_PORT, b"\x80"))
                    codes.append(0)
                except Refused as refused:
                    codes.append(refused.code)
            assert codes == [0] * 8 + [508] * 4
        finally:
            for each in clients:
                each.close()
        wait_until(
            lambda: server.metrics()["roost_turn_relay_ports"] == 0, "unclaimed ports are free again, though nobody asks", 40, seen=server.log
        )


# -- the wire


def test_an_integrity_that_was_cut_is_none():
    """RFC 8489 §14.6: whether it may be is said by a usage, and TURN does not say so."""
    with TurnServer(*LOOPBACK, tls=False) as server, client(server) as one:
        _, news = one.exchange(header(ALLOCATE, 8, os.urandom(12)) + attribute(TRANSPORT, bytes([17, 0, 0, 0])))
        for length, is_good in ((16, False), (28, False), (32, True)):
            transaction = os.urandom(12)
            body = attribute(TRANSPORT, bytes([17, 0, 0, 0])) + attribute(USERNAME, b"alice") + attribute(REALM, news[REALM])
            body += attribute(NONCE, news[NONCE])
            key = hashlib.md5(f"alice:{news[REALM].decode()}:{USERS['alice']}".encode()).digest()
            signed = header(ALLOCATE, len(body) + 4 + length, transaction) + body
            mac = hmac.new(key, signed, hashlib.sha256).digest()[:length]
            kind, _ = one.exchange(signed + attribute(0x001C, mac))
            assert (kind & FAILURE != FAILURE) == is_good, length


def test_only_who_asks_for_it_gets_dont_fragment():
    with (
        TurnServer(*LOOPBACK, tls=False) as server,
        client(server) as one,
        peer() as far,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as wire,
    ):
        relayed = one.allocate()
        one.permit(far.getsockname())
        wire.settimeout(5)

        def flag(*attributes) -> bool:
            mark = os.urandom(16)
            one.send(far.getsockname(), mark, *attributes)
            while True:
                packet = wire.recv(65_535)
                length = (packet[0] & 15) * 4
                if packet[length + 8 :] == mark and struct.unpack("!H", packet[length : length + 2])[0] == relayed[1]:
                    return bool(packet[6] & 0x40)

        assert not flag()
        assert flag((0x001A, b""))
        assert not flag()


# -- addresses and numbers


def test_it_serves_at_several_addresses_of_each_transport():
    first, second = free_ports(2), free_ports(2)
    server = TurnServer(*LOOPBACK)
    for name, port in (("--tcp-listen", 0), ("--tls-listen", 1)):
        server.arguments[server.arguments.index(name) + 1] = f"127.0.0.1:{first + port},127.0.0.1:{second + port},[::1]:{second + port}"
    with server:
        for host in ("127.0.0.1", "::1"):
            for start in (first, second) if host == "127.0.0.1" else (second,):
                for over, port in (("tcp", start), ("tls", start + 1), ("tls", start), ("tcp", start + 1)):
                    with Allocation(host, port, "alice", USERS["alice"], over=over) as one:
                        assert one.allocate()[0] == "127.0.0.1", (host, port, over)


def test_it_serves_the_ports_of_the_web_beside_its_own_on_each_transport():
    """443 is what a strict network lets out. Addresses of this run's own, since it is one port for the whole machine."""
    # 127.0.0.0/8 is all loopback; who runs this at the same time has other addresses.
    hosts = [f"127.{os.getpid() >> 8 & 0x7F | 0x40}.{os.getpid() & 0xFF}.{number}" for number in (2, 3)]
    try:
        with socket.create_server((hosts[0], 443)):
            pass
    except PermissionError:
        pytest.skip("this user may not bind port 443 (net.ipv4.ip_unprivileged_port_start)")
    server = TurnServer(*LOOPBACK)
    places = [("127.0.0.1", server.port), (hosts[0], 443), (hosts[1], 443), (hosts[1], server.tls_port)]
    for name in ("--listen", "--tcp-listen"):
        server.arguments[server.arguments.index(name) + 1] = ",".join(f"{host}:{port}" for host, port in places)
    with server:
        for host, port in places:
            # One port of streams takes both: the first byte tells them apart.
            for over in ("udp", "tcp", "tls"):
                with Allocation(host, port, "alice", USERS["alice"], over=over) as one, peer() as far:
                    assert one.allocate()[0] == "127.0.0.1", (host, port, over)
                    one.bind(0x4000, far.getsockname())
                    one.send_channel(0x4000, f"{host}:{port} {over}".encode())
                    far.settimeout(5)
                    assert far.recv(100) == f"{host}:{port} {over}".encode()


def test_errors_and_drops_are_counted_by_code_and_cause():
    with TurnServer(*LOOPBACK, tls=False) as server, client(server) as one:
        one.allocate()
        assert refusal(lambda: one.permit(("10.0.0.1", 1))) == 403
        stranger = Allocation(server.host, server.port, "alice", "wrong")
        with stranger:
            assert refusal(stranger.allocate) == 401
        one.send_channel(0x4ABC, b"nobody is there")
        with connected(server.host, server.port) as noise:
            noise.send(b"\xff" * 40)
        wait_until(lambda: server.metrics()['roost_turn_dropped_total{cause="no_channel"}'] == 1, "a drop is counted", 5)
        metrics = server.metrics()
        assert metrics['roost_turn_requests_total{method="allocate",code="0"}'] == 1
        assert metrics['roost_turn_requests_total{method="create_permission",code="403"}'] == 1
        assert metrics['roost_turn_requests_total{method="allocate",code="401"}'] >= 3
        assert metrics['roost_turn_dropped_total{cause="not_turn"}'] == 1
