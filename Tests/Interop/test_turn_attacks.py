"""What a hostile or unlucky client can do to a turn server, over real sockets: it gets errors or is cut, and others notice nothing."""

import os
import random
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import namespaces
from allocation import (
    ADDITIONAL_FAMILY,
    ADDRESS_ERROR,
    ALLOCATE,
    BINDING,
    DONT_FRAGMENT,
    FAMILY,
    ICMP,
    PEER,
    PERMIT,
    RELAYED,
    TRANSPORT,
    Allocation,
    Refused,
    attribute,
    connected,
    header,
)
from turn_clients import LOOPBACK, channel_carries, client, peer, refusal
from turn_server import USERS, TurnServer
from waiting import wait_until

UDP = (TRANSPORT, bytes([17, 0, 0, 0]))


@pytest.fixture(scope="module")
def server() -> Iterator[TurnServer]:
    with TurnServer(*LOOPBACK) as made:
        yield made


def serves(server: TurnServer) -> None:
    """Somebody else is served, whatever is going on."""
    with client(server) as other, peer() as far:
        relayed = other.allocate()
        other.permit(far.getsockname())
        other.send(far.getsockname(), b"ping")
        far.settimeout(5)
        assert far.recvfrom(100) == (b"ping", relayed)
        far.sendto(b"pong", relayed)
        assert other.hear_data() == b"pong"


def counted(server: TurnServer, name: str) -> float:
    """A number of /metrics, which workers tell four times a second."""
    time.sleep(0.3)
    return server.metrics()[name]


# -- capacity


def test_without_a_free_port_there_is_508_and_a_freed_one_is_given_again():
    with TurnServer(*LOOPBACK, "--relay-ports", "48000-48003", tls=False) as server:
        clients = [client(server) for _ in range(5)]
        try:
            ports = {each.allocate()[1] for each in clients[:4]}
            assert ports == {48000, 48001, 48002, 48003}
            assert refusal(clients[4].allocate) == 508
            clients[1].refresh(0)
            assert clients[4].allocate()[1] in ports
        finally:
            for each in clients:
                each.close()


def test_a_user_and_all_users_together_have_a_quota():
    with TurnServer(*LOOPBACK, "--user-quota", "2", tls=False) as server:
        with client(server) as one, client(server) as two, client(server) as three:
            one.allocate()
            two.allocate()
            assert refusal(three.allocate) == 486
            one.refresh(0)
            three.allocate()
    limits = ("--total-quota", "1", "--connections-per-address", "1")
    with TurnServer(*LOOPBACK, *limits, tls=False) as server, client(server) as one, client(server) as two:
        one.allocate()
        # Not the user's fault: another server may have room (RFC 8656 §7.2).
        assert refusal(two.allocate) in (486, 508)
        # Of connections there are so many, too, and those that were one too many are counted.
        with client(server, "tcp") as first, connected(server.host, server.port, "tcp") as second:
            first.exchange(header(BINDING, 0, os.urandom(12)))
            second.settimeout(5)
            try:
                assert second.recv(1) == b""
            except ConnectionResetError:
                pass
            wait_until(lambda: server.metrics()["roost_turn_streams_refused_total"] == 1, "it is counted", 5)
            assert server.metrics()["roost_turn_streams"] == 1


def test_without_descriptors_there_is_508_and_those_who_are_in_go_on():
    with TurnServer(*LOOPBACK, descriptors=80) as server, client(server) as first, peer() as far:
        relayed = first.allocate()
        first.permit(far.getsockname())
        others, streams = [], []
        try:
            while len(others) < 100:
                others.append(client(server))
                try:
                    others[-1].allocate()
                except Refused as refused:
                    assert refused.code == 508
                    break
            assert len(others) < 80, "it ran out of descriptors"
            # Nor is there one for a connection: it waits.
            streams = [connected(server.host, server.port, "tcp") for _ in range(20)]
            far.settimeout(5)
            for number in range(50):
                first.send(far.getsockname(), b"%d" % number)
                assert far.recv(100) == b"%d" % number
                far.sendto(b"%d" % number, relayed)
                assert first.hear_data() == b"%d" % number
        finally:
            for each in others:
                each.close()
            for each in streams:
                each.close()
        with client(server, "tcp") as later:
            wait_until(lambda: allocated(later), "there are descriptors again", 10, seen=server.log)


def allocated(client: Allocation) -> bool:
    try:
        client.allocate()
    except Refused:
        return False
    return True


def test_ports_are_unpredictable():
    with TurnServer(*LOOPBACK, tls=False) as server:
        clients = [client(server) for _ in range(120)]
        try:
            ports = [each.allocate()[1] for each in clients]
        finally:
            for each in clients:
                each.close()
        steps = [(b - a) % 16384 for a, b in zip(ports, ports[1:], strict=False)]
        # Of 119 steps out of 16,384 two or three alike is chance; a rule repeats itself.
        assert max(steps.count(step) for step in steps) <= 3, steps
        eighths = {(port - 49152) // 2048 for port in ports}
        assert len(eighths) == 8, sorted(ports)


# -- floods


def test_a_flood_of_permissions_and_channels_ends_at_a_limit(server):
    with client(server) as greedy:
        greedy.allocate()
        given = 0
        for number in range(40):
            try:
                greedy.permit(*((f"8.{number}.{i}.1", 1) for i in range(25)))
            except Refused as refused:
                assert refused.code == 508
                break
            given += 25
        assert 25 <= given < 1000
        channels = 0
        for number in range(1000):
            try:
                greedy.bind(0x4000 + number, ("127.0.0.1", 1000 + number))
            except Refused as refused:
                assert refused.code == 508
                break
            channels += 1
        assert channels < 1000
        # Thousands in one message cost no more than the limit's worth.
        assert refusal(lambda: greedy.ask(PERMIT, [(PEER, (f"9.{i >> 8}.{i & 255}.1", 1)) for i in range(1500)])) == 508
        serves(server)


def test_a_flood_without_credentials_leaves_nothing_and_gets_few_answers():
    with TurnServer(*LOOPBACK, "--stun-rate", "100", tls=False) as server:
        serves(server)
        before = server.memory()
        made = counted(server, "roost_turn_allocations_total")
        with connected(server.host, server.port) as flooder:
            began = time.monotonic()
            answers = 0
            for _ in range(20_000):
                body = attribute(*UDP)
                flooder.send(header(ALLOCATE, len(body), os.urandom(12)) + body)
                while select.select([flooder], [], [], 0)[0]:
                    flooder.recv(2048)
                    answers += 1
            took = time.monotonic() - began
        # Twice the rate at once, then the rate.
        assert answers <= 200 + 100 * (took + 1), f"{answers} answers in {took:.1f} s"
        assert counted(server, "roost_turn_allocations_total") == made
        assert server.memory() - before < 4 << 20
        # Another network is served meanwhile; this one after a moment.
        wait_until(lambda: answers_binding(server), "it answers here again", 5)
        serves(server)


def answers_binding(server: TurnServer) -> bool:
    with connected(server.host, server.port) as asker:
        asker.settimeout(0.3)
        asker.send(header(BINDING, 0, os.urandom(12)))
        try:
            return asker.recv(2048)[:2] == b"\x01\x01"
        except TimeoutError:
            return False


def test_a_flood_with_credentials_ends_at_the_quota():
    with TurnServer(*LOOPBACK, "--user-quota", "20", tls=False) as server:
        clients = [client(server) for _ in range(60)]
        try:
            made = sum(allocated(each) for each in clients)
            assert made == 20
            assert counted(server, "roost_turn_allocations") <= 20
        finally:
            for each in clients:
                each.close()


# -- messages


def test_a_captured_request_is_of_no_use_from_elsewhere(server):
    with client(server) as ann:
        ann.allocate()
        request = ann.request(ALLOCATE, [UDP])
        made = counted(server, "roost_turn_allocations_total")
        for over, source in (("udp", None), ("udp", "127.0.0.2"), ("tcp", None)):
            with client(server, over, source=source) as eve:
                kind, answer = eve.exchange(request)
                code = answer[0x09][2] * 100 + answer[0x09][3]
                assert kind & 0x110 == 0x110 and code in (401, 438), (over, source, code)
        assert counted(server, "roost_turn_allocations_total") == made


def test_a_nonce_is_of_no_use_from_another_address(server):
    with client(server) as ann, client(server, source="127.0.0.2") as eve:
        ann.allocate()
        eve.realm, eve.nonce = ann.realm, ann.nonce
        kind, answer = eve.exchange(eve.request(ALLOCATE, [UDP]))
        assert kind & 0x110 == 0x110 and answer[0x09][2] * 100 + answer[0x09][3] == 438


def test_a_request_cut_short_or_with_a_bit_turned_has_no_effect(server):
    with client(server) as ann:
        ann.allocate()
        ann.refresh(0)
        request = ann.request(ALLOCATE, [UDP])
        made = counted(server, "roost_turn_allocations_total")
        for length in range(len(request)):
            ann.socket.send(request[:length])
        for bit in range(len(request) * 8):
            # But for the transaction, whose change makes another request of it, with a wrong signature then.
            turned = bytearray(request)
            turned[bit // 8] ^= 1 << bit % 8
            ann.socket.send(turned)
        assert counted(server, "roost_turn_allocations_total") == made
        assert counted(server, "roost_turn_allocations") == 0
    serves(server)


@pytest.mark.parametrize("over", ["udp", "tcp", "tls"])
def test_noise_and_the_longest_messages_do_no_harm(server, over):
    generator = random.Random(4)
    for size in (0, 1, 3, 4, 19, 20, 100, 1500, 9000, 65_507):
        for first in (0x00, 0x01, 0x40, 0x7F, 0x80, 0xFF):
            noise = bytearray(generator.randbytes(size))
            if size:
                noise[0] = first
            if size >= 4 and over != "udp":
                noise[2:4] = struct.pack("!H", 0xFFFF & (size - 20))
            try:
                with connected(server.host, server.tls_port if over == "tls" else server.port, over) as sender:
                    sender.sendall(noise)
            except OSError:
                # Cut in the middle of it: as it should be.
                pass
    # A message of the longest length that a header can say, in one piece of a stream.
    if over != "udp":
        with client(server, over) as sender:
            try:
                sender.socket.sendall(header(BINDING, 0xFFFC, os.urandom(12)) + attribute(0x8022, bytes(0xFFF8)))
                sender.exchange(header(BINDING, 0, os.urandom(12)))
            except OSError:
                pass
    serves(server)


# -- streams


@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_a_byte_at_a_time_is_as_good_as_a_message(server, over):
    with client(server, over) as slow, peer() as far:
        whole = slow.socket.sendall

        def bytewise(data: bytes) -> None:
            for position in range(len(data)):
                whole(data[position : position + 1])
                time.sleep(0.0002)

        slow.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        slow.write = bytewise
        channel_carries(slow, far, slow.allocate(), b"odd length.", b"back")


def test_garbage_in_place_of_a_handshake_or_after_it_ends_that_stream_only(server):
    failed = server.metrics()["roost_turn_tls_failed_total"]
    with client(server, "tls") as good:
        good.allocate()
        for garbage in (b"\x16\x03\x01" + os.urandom(400), b"\x16" * 600, b"\x16\x03\x01\xff\xff" + bytes(2000)):
            with connected(server.host, server.tls_port, "tcp") as bad:
                bad.sendall(garbage)
                bad.settimeout(15)
                try:
                    # An alert, or nothing; then the end.
                    while bad.recv(4096):
                        pass
                except ConnectionError:
                    pass
        wait_until(lambda: server.metrics()["roost_turn_tls_failed_total"] > failed, "handshakes that failed are counted", 5)
        bad = client(server, "tls")
        bad.allocate()
        raw = socket.socket(fileno=os.dup(bad.socket.fileno()))
        raw.sendall(os.urandom(500))
        raw.settimeout(15)
        try:
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass
        raw.close()
        bad.socket.close()
        assert good.refresh(600) == 600


@pytest.mark.timeout(150)
def test_those_who_never_read_are_cut_and_cost_little(server):
    """Over TCP and TLS at once, since the server has 30 s of patience."""
    slow = [client(server, over) for over in ("tcp", "tls")]
    with peer() as far, client(server) as other:
        relays = []
        for each in slow:
            each.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            relays.append(each.allocate())
            each.bind(0x4000, far.getsockname())
        other_relay = other.allocate()
        other.permit(far.getsockname())
        standing = counted(server, "roost_turn_allocations")
        before, largest, late = server.memory(), 0, 0.0
        unread = server.metrics()['roost_turn_unsent_total{reason="slow_reader"}']
        began = time.monotonic()
        while server.metrics()["roost_turn_allocations"] > standing - 2:
            assert time.monotonic() - began < 60, "they are still there"
            for _ in range(200):
                for relay in relays:
                    far.sendto(bytes(1200), relay)
            asked = time.monotonic()
            far.sendto(b"still there?", other_relay)
            assert other.hear_data(5) == b"still there?"
            late = max(late, time.monotonic() - asked)
            largest = max(largest, server.memory() - before)
            time.sleep(0.1)
        assert time.monotonic() - began > 10, "a slow reader has some patience to expect"
        assert largest < 8 << 20, f"{largest} bytes more than before"
        assert late < 1, f"another client waited {late:.2f} s"
        metrics = server.metrics()
        assert metrics['roost_turn_unsent_total{reason="slow_reader"}'] > unread, "what they did not take is no secret"
        assert metrics['roost_turn_stream_bytes_total{direction="out"}'] > 0
    for each in slow:
        each.socket.close()


def test_strangers_who_never_read_cost_little(server):
    """Nobody needs a credential for a connection, so what waits for one that reads nothing must be next to nothing."""
    question = header(BINDING, 0, os.urandom(12)) * 1_000
    strangers = []
    try:
        for _ in range(40):
            stranger = socket.socket()
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stranger.connect((server.host, server.port))
            stranger.settimeout(30)
            strangers.append(stranger)
        before, answered = server.memory(), counted(server, 'roost_turn_requests_total{method="binding",code="0"}')
        # 3 MB of answers for each: the kernel takes 2.5 MB for one that reads nothing.
        for _ in range(70):
            for stranger in strangers:
                stranger.sendall(question)
            asked = time.monotonic()
            serves(server)
            assert time.monotonic() - asked < 2, "others wait for the strangers"
        wait_until(
            lambda: counted(server, 'roost_turn_requests_total{method="binding",code="0"}') >= answered + 70_000 * len(strangers),
            "all questions are looked at",
            60,
        )
        grown = server.memory() - before
        assert grown < 2 << 20, f"{grown} bytes more than before"
    finally:
        for stranger in strangers:
            stranger.close()


# -- addresses


def test_a_family_without_a_relay_address_is_not_supported(server):
    """440, so that a client does not try again as it would at 508 (RFC 8656 §7.2)."""
    with client(server) as v6_only:
        assert refusal(lambda: v6_only.allocate((FAMILY, bytes([2, 0, 0, 0])))) == 440
    with client(server) as both:
        answer = both.ask(ALLOCATE, [UDP, (ADDITIONAL_FAMILY, bytes([2, 0, 0, 0]))])
        assert answer[ADDRESS_ERROR][:4] == bytes([2, 0, 4, 40])
        assert RELAYED in answer


def test_behind_a_nat_no_service_of_the_host_is_reached():
    """The NAT's address is 8.8.4.4, which no range refuses; the host behind it is 127.0.0.1."""
    with TurnServer("--relay-address", "127.0.0.1", "--external-ip", "8.8.4.4/127.0.0.1", tls=False) as server:
        with client(server) as ann, client(server) as bob, peer() as memcached:
            service = ("8.8.4.4", memcached.getsockname()[1])
            relayed = ann.allocate()
            assert relayed[0] == "8.8.4.4"
            ann.permit(service)
            ann.send(service, b"stats")
            assert refusal(lambda: ann.bind(0x4000, service)) == 403
            other = bob.allocate()
            bob.permit(relayed)
            ann.bind(0x4001, other)
            ann.send_channel(0x4001, b"hello")
            assert bob.hear_data() == b"hello", "relays are reached by the address outside"
            memcached.settimeout(0.5)
            with pytest.raises(TimeoutError):
                memcached.recv(100)
        assert server.metrics()['roost_turn_dropped_total{cause="refused_peer"}'] >= 1


# -- the network's news


V6 = (FAMILY, bytes([2, 0, 0, 0]))


@contextmanager
def on(host: str) -> Iterator[tuple[Allocation, socket.socket]]:
    """A client with an allocation on this loopback address, and a peer there that it lets in."""
    is_v6 = ":" in host
    flags = ("--allow-peer", f"{host}/128", "--relay-address", host) if is_v6 else LOOPBACK
    with TurnServer(*flags, host=host, tls=False) as server, client(server) as ann:
        with socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_DGRAM) as far:
            far.bind((host, 0))
            far.settimeout(5)
            ann.allocate(*([V6] if is_v6 else []))
            ann.permit(far.getsockname()[:2])
            yield ann, far


@pytest.mark.parametrize(("host", "kind"), [("127.0.0.1", 3 << 9 | 3), ("::1", 1 << 9 | 4)])
def test_a_peer_that_is_not_there_is_told_by_icmp(host, kind):
    """RFC 8656 §11.5 and §18.13: 16 bits reserved, 7 of type, 9 of code, 32 of data. The port is unreachable."""
    with on(host) as (ann, far):
        gone = far.getsockname()[:2]
        far.close()

        def told() -> dict | None:
            ann.send(gone, b"anybody?")
            heard = ann.hear(0.5)
            return heard if isinstance(heard, dict) and ICMP in heard else None

        heard = wait_until(told, "the ICMP error arrives", 10)
        assert heard[ICMP] == struct.pack("!HHI", 0, kind, 0)


@pytest.fixture
def narrow() -> Iterator[namespaces.Namespace]:
    """A network of its own whose loopback has the MTU of an Ethernet."""
    if reason := namespaces.missing():
        pytest.skip(reason)
    made = namespaces.Namespace(f"rt-{os.urandom(3).hex()}")
    made.ip("link set lo mtu 1500")
    try:
        yield made
    finally:
        made.delete()


@pytest.mark.parametrize(("host", "kind"), [("127.0.0.1", 3 << 9 | 4), ("::1", 2 << 9)])
def test_what_may_not_be_fragmented_and_is_too_long_is_told_with_the_mtu(narrow, host, kind):
    """IPv4: destination unreachable, fragmentation needed (RFC 1191). IPv6: packet too big (RFC 4443 §3.2)."""
    with narrow, on(host) as (ann, far):
        at = far.getsockname()[:2]
        # On its way to the server it may be cut to pieces, and from there on, too, unless the client says otherwise.
        long = os.urandom(2_000)
        ann.send(at, long)
        assert far.recv(4_096) == long
        ann.send(at, long, (DONT_FRAGMENT, b""))
        heard = ann.hear()
        assert isinstance(heard, dict) and heard[ICMP] == struct.pack("!HHI", 0, kind, 1_500)
        ann.send(at, long[:1_400], (DONT_FRAGMENT, b""))
        assert far.recv(4_096) == long[:1_400]


def test_replies_leave_from_where_the_request_came_to_on_wildcard_addresses_of_both_families():
    server = TurnServer("--allow-peer", "127.0.0.0/8,::1/128", "--relay-address", "127.0.0.1,::1", tls=False)
    server.arguments[server.arguments.index("--listen") + 1] = f"0.0.0.0:{server.port},[::]:{server.port}"
    with server:
        port = server.port
        # Connected sockets: an answer from another address would not be heard.
        for host, far_host in (("127.0.0.1", "127.0.0.1"), ("127.0.0.5", "127.0.0.1"), ("::1", "::1")):
            family = socket.AF_INET6 if ":" in far_host else socket.AF_INET
            with Allocation(host, port, "alice", USERS["alice"]) as ann, socket.socket(family, socket.SOCK_DGRAM) as far:
                far.bind((far_host, 0))
                far.settimeout(5)
                at = far.getsockname()[:2]
                wanted = [(0x17, bytes([2, 0, 0, 0]))] if family == socket.AF_INET6 else []
                relayed = ann.allocate(*wanted)
                assert relayed[0] == far_host
                ann.bind(0x4000, at)
                ann.send_channel(0x4000, b"there")
                came, source = far.recvfrom(100)
                assert (came, source[:2]) == (b"there", relayed)
                far.sendto(b"and back", relayed)
                assert ann.hear() == (0x4000, b"and back")
