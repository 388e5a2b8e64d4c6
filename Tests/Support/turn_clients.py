"""Clients and peers of a turn server on the loopback, as tests of it need them."""

import socket

import pytest

from allocation import Allocation, Refused
from turn_server import USERS, TurnServer

# Flags of a server that relays on the loopback, which by itself is refused.
LOOPBACK = ("--allow-peer", "127.0.0.0/8", "--relay-address", "127.0.0.1")


def client(server: TurnServer, over: str = "udp", **options) -> Allocation:
    port = server.tls_port if over == "tls" else server.port
    return Allocation(server.host, port, "alice", USERS["alice"], over=over, **options)


def peer() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


def refusal(act) -> int:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code


def channel_carries(one: Allocation, far: socket.socket, relayed: tuple[str, int], there: bytes, back: bytes) -> None:
    """Over a channel of `one`, data comes to a peer and the peer's comes back."""
    one.bind(0x4000, far.getsockname())
    one.send_channel(0x4000, there)
    far.settimeout(5)
    assert far.recv(100) == there
    far.sendto(back, relayed)
    assert one.hear() == (0x4000, back)
