"""What the machine's own tests show in virtual time, over real sockets: each error by each transport, what comes twice, several workers, a fleet."""

import base64
import hashlib
import hmac
import os
import re
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from allocation import ALLOCATE, BIND, BINDING, CHANNEL, ERROR, EVEN_PORT, FAILURE, FAMILY, PEER, PERMIT, REFRESH, RELAYED, SUCCESS, TRANSPORT
from allocation import Allocation, attribute, header, unmasked
from turn_clients import LOOPBACK, channel_carries, client, peer, refusal
from turn_server import SECRET, USERS, TurnServer
from waiting import wait_until

UDP, TCP = (TRANSPORT, bytes([17, 0, 0, 0])), (TRANSPORT, bytes([6, 0, 0, 0]))
TOKEN, UNKNOWN = 0x22, 0x0A


def limited(name: str) -> tuple[str, str]:
    """A time-limited name and its password."""
    username = f"{int(time.time()) + 600}:{name}"
    return username, base64.b64encode(hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()).decode()


# -- errors


@pytest.fixture(scope="module")
def server() -> Iterator[TurnServer]:
    """One allocation a user; no IPv6 relays."""
    with TurnServer(*LOOPBACK, "--user-quota", "1") as made:
        yield made


def code(answer: tuple[int, dict[int, bytes]]) -> int:
    kind, attributes = answer
    assert kind & FAILURE == FAILURE, hex(kind)
    return attributes[ERROR][2] * 100 + attributes[ERROR][3]


@pytest.mark.parametrize("over", ["udp", "tcp", "tls"])
def test_each_error_comes_over_each_transport(server, over):
    with client(server, over) as one, client(server, over) as second, client(server, over) as wrong:
        strange = header(BINDING, 4, os.urandom(12)) + attribute(0x7FF0, b"")
        answer = one.exchange(strange)
        assert code(answer) == 420 and answer[1][UNKNOWN] == struct.pack("!H", 0x7FF0)
        wrong.password = "wrong"
        assert refusal(wrong.allocate) == 401

        def bound(number: int, far: tuple[str, int]) -> int:
            return refusal(lambda: one.ask(BIND, [(CHANNEL, struct.pack("!HH", number, 0)), (PEER, far)]))

        assert refusal(lambda: one.ask(ALLOCATE, [])) == 400
        assert refusal(lambda: one.ask(ALLOCATE, [TCP])) == 442
        assert refusal(lambda: one.ask(ALLOCATE, [UDP, (0x7FF0, b"")])) == 420
        assert refusal(lambda: one.allocate((FAMILY, bytes([2, 0, 0, 0])))) == 440
        assert refusal(lambda: one.allocate((TOKEN, bytes(8)))) == 508
        for method, attributes in ((REFRESH, []), (PERMIT, [(PEER, ("8.8.8.8", 1))])):
            assert refusal(lambda method=method, attributes=attributes: one.ask(method, attributes)) == 437
        one.allocate()
        assert refusal(one.allocate) == 437
        assert refusal(second.allocate) == 486
        assert refusal(lambda: one.permit(("10.0.0.1", 1))) == 403 == bound(0x4000, ("10.0.0.1", 1))
        assert refusal(lambda: one.permit(("2600::1", 1))) == 443 == bound(0x4000, ("2600::1", 1))
        assert bound(0x3FFF, ("127.0.0.1", 1)) == 400

        own, nonce = (one.username, one.password), one.nonce
        (one.username, one.password) = limited("carol")
        assert refusal(one.refresh) == 441
        (one.username, one.password) = own
        one.nonce = nonce[:-1] + (b"A" if nonce[-1:] != b"A" else b"B")
        assert code(one.exchange(one.request(REFRESH, []))) == 438
        one.nonce = nonce
        assert one.refresh() == 600, "whatever was refused, it stands"


def test_an_allocate_that_comes_twice_makes_one_allocation():
    """RFC 8656 §7.2: an answer that was lost is asked for again by the same bytes."""
    with TurnServer(*LOOPBACK, tls=False) as server, client(server) as one:
        assert refusal(one.refresh) == 437
        request = one.request(ALLOCATE, [UDP])
        answers = [one.exchange(request) for _ in range(2)]
        assert answers[0] == answers[1] and answers[0][0] & FAILURE == SUCCESS and RELAYED in answers[0][1]
        granted = 'roost_turn_requests_total{method="allocate",code="0"}'
        wait_until(lambda: server.metrics()[granted] == 2, "both are counted", 5)
        metrics = server.metrics()
        assert metrics["roost_turn_allocations_total"] == metrics["roost_turn_allocations"] == metrics["roost_turn_relay_ports"] == 1


# -- workers


def test_two_workers_are_one_server():
    """Which of them has a client is the kernel's choice by the client's port, and may be read in an allocation's number."""
    with TurnServer("--relay-address", "127.0.0.1", "--workers", "2", "--user-quota", "2", tls=False) as server:
        made: list[Allocation] = []
        by_worker: dict[str, tuple[Allocation, tuple[str, int]]] = {}
        try:
            for tries in range(1, 65):
                made.append(client(server))
                relayed = made[-1].allocate()
                lines = wait_until(lambda tries=tries: found if len(found := told(server, "allocation made")) == tries else None, "a line is written", 5)
                worker = lines[-1]["allocation"].split("-")[0]
                if worker in by_worker:
                    made.pop().close()
                else:
                    by_worker[worker] = (made[-1], relayed)
                if len(by_worker) == 2:
                    break
            assert sorted(by_worker) == ["0", "1"], by_worker
            (ann, ann_relay), (bob, bob_relay) = by_worker["0"], by_worker["1"]

            # Loopback is refused but for relays, at whichever worker they are.
            ann.bind(0x4000, bob_relay)
            bob.permit(ann_relay)
            ann.send_channel(0x4000, b"from one to the other")
            assert bob.hear_data() == b"from one to the other"
            bob.send(ann_relay, b"and back")
            assert ann.hear() == (0x4000, b"and back")

            with client(server) as third:
                assert refusal(third.allocate) == 486, "the quota is one for both"

            # A port that is kept at one of them is taken up at the other.
            ann.refresh(0)
            bob.refresh(0)
            kept = ann.ask(ALLOCATE, [UDP, (EVEN_PORT, b"\x80")])
            port = unmasked(kept[RELAYED], ann.transaction)[1]
            assert kept[TOKEN][0] == 0, "the worker's number"
            assert bob.allocate((TOKEN, kept[TOKEN]))[1] == port + 1
        finally:
            for each in made:
                each.close()


# -- nonces


def nonce(one: Allocation, features: int, age: float) -> bytes:
    """What the fleet would have given this client some seconds ago (`NonceKey.swift`): its key is made of the secret."""
    password = base64.b64encode(hmac.new(SECRET.encode(), b"nonce", hashlib.sha1).digest()).decode()
    key = hashlib.sha256(f"{password}:roost".encode()).digest()
    host, port = one.socket.getsockname()
    stamp = int((time.time() - age) / 4) & 0xFFFFFF
    message = struct.pack("!QQQQB", features << 24 | stamp, port << 16, 0, struct.unpack("!I", socket.inet_aton(host))[0], 4)
    mac = hmac.new(key, message, hashlib.sha256).digest()[:6]
    return b"obMatJos2" + b"".join(base64.b64encode(part) for part in (features.to_bytes(3), stamp.to_bytes(3), mac))


def test_nonces_are_the_fleets_and_age_as_it_is_set_as_do_allocations():
    """Those of a server with a users file alone are its own: see docs/turn.md."""
    short = ("--nonce-age", "40s", "--max-lifetime", "2s")
    with TurnServer(*LOOPBACK, tls=False) as first, TurnServer(*LOOPBACK, *short, tls=False) as second, client(first) as one:
        one.allocate()
        features = int.from_bytes(base64.b64decode(one.nonce[9:13]))

        def taken(age: float | None = None) -> bool:
            """Whether the server that the socket is connected to takes a nonce without a word of another."""
            if age is not None:
                one.nonce = nonce(one, features, age)
            answer = one.exchange(one.request(REFRESH, [(0x0D, bytes(4))]))
            assert answer[0] & FAILURE == SUCCESS or code(answer) in (437, 438)
            return answer[0] & FAILURE == SUCCESS or code(answer) == 437

        assert taken(150), "an hour is what it is unless set"
        # The same socket: a nonce is for one address and port.
        one.socket.connect((second.host, second.port))
        assert taken(24)
        assert not taken(64)
        # One from a clock that is ahead, as those of a fleet may be.
        assert taken(-30)
        assert not taken(-90)
        assert taken(0)
        one.allocate()
        assert one.refresh(600) == 2
        wait_until(lambda: told(second, "allocation ended"), "it ends by itself, so soon", 10, seen=second.log)
        assert told(second, "allocation ended")[0]["reason"] == "expired"


# -- what is refused, and what is logged


def test_services_of_the_cluster_are_refused_by_their_port():
    with TurnServer("--relay-address", "127.0.0.1", "--service-address", "8.8.8.8:6379", tls=False) as server, client(server) as one:
        one.allocate()
        admin = server.admin.rpartition(":")
        assert refusal(lambda: one.bind(0x4000, ("8.8.8.8", 6379))) == 403
        assert refusal(lambda: one.bind(0x4000, (admin[0], int(admin[2])))) == 403
        one.bind(0x4000, ("8.8.8.8", 6380))


def told(server: TurnServer, message: str) -> list[dict[str, str]]:
    """The lines of a message, each by its keys."""
    lines = [line for line in server.log().splitlines() if f" {message}" in line]
    return [dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line)) for line in lines]


def test_a_person_can_follow_an_allocation_and_its_user():
    server = TurnServer(*LOOPBACK, tls=False)
    # As an editor may write it: accents apart from their letters, and a space that is none of ASCII's (RFC 8265).
    server.users_file.write_text("alice:a long password\nZoe\u0308:cafe\u0301\u00a0noir\n")
    who = [("alice", USERS["alice"]), ("alice", USERS["alice"]), limited("a:x"), limited("b:x"), ("Zo\u00eb", "caf\u00e9 noir")]
    with server:
        for number, (username, password) in enumerate(who):
            with Allocation(server.host, server.port, username, password) as one, peer() as far:
                channel_carries(one, far, one.allocate(), b"abc", b"12345")
            wait_until(lambda number=number: len(told(server, "allocation ended")) == number + 1, "its end is told", 5, seen=server.log)
        made, ended = told(server, "allocation made"), told(server, "allocation ended")
        assert len({line["allocation"] for line in made}) == len(who)
        for key in ("allocation", "user_hash", "relayed", "transport"):
            assert [line[key] for line in made] == [line[key] for line in ended], key
        users = [line["user_hash"] for line in made]
        assert users[0] == users[1] and len(set(users)) == len(who) - 1, users
        count = len(who)
        wait_until(lambda: server.metrics()["roost_turn_allocations"] == 0, "the numbers are told", 5)
        relayed_bytes = {way: server.metrics()[f'roost_turn_relayed_bytes_total{{direction="{way}"}}'] for way in ("to_peers", "to_clients")}
        assert relayed_bytes == {"to_peers": 3 * count, "to_clients": 5 * count}
