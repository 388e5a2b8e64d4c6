"""docs/protocol/bus.md is enough to write a client in another language: this one is in Python, and talks to the real services."""

import os
import re
import secrets
import signal
import struct
import time

import pytest

from bus_wire import CANCEL, CREDIT, END, GOAWAY, HEADERS, HELLO, LAST, MESSAGE, PING, PONG, STATUS, BusWire, decoded, encoded, text
from cluster import Cluster
from waiting import wait_until

REGISTRY = "/roost.registry.v1.Registry"
ROOMS = "/roost.rooms.v1.Rooms"


@pytest.fixture(scope="module")
def cluster():
    with Cluster(extra=("--log-level", "debug")) as made:
        yield made


@pytest.fixture
def registry(cluster):
    return cluster.run / "registry-1.sock"


def nodes(bus: BusWire) -> str:
    answer = bus.call(f"{REGISTRY}/ListNodes", encoded("roost.registry.v1.ListNodesRequest", "kind: NODE_KIND_SFU"))
    assert isinstance(answer, bytes), answer
    return decoded("roost.registry.v1.ListNodesResponse", answer)


def test_both_sides_say_hello_and_a_call_is_answered(registry):
    with BusWire(registry) as bus:
        hello = bus.receive_any()
        assert (hello.kind, hello.flags, hello.stream, hello.payload[:8]) == (HELLO, 0, 0, b"ROOSTBUS")
        oldest, newest, credit, streams = struct.unpack_from("!HHII", hello.payload, 8)
        assert oldest <= 1 <= newest and credit > 0 and streams > 0
        assert hello.payload[20:] == text("registry-1")
        assert sorted(re.findall(r'node_id: "(sfu-\d)"', nodes(bus))) == ["sfu-1", "sfu-2"]


def test_calls_of_one_connection_do_not_wait_for_each_other(registry):
    with BusWire(registry) as bus:
        opened = [bus.open(f"{REGISTRY}/ListNodes") for _ in range(50)]
        for stream in reversed(opened):
            bus.send(MESSAGE, stream)
            # The end may come by itself as well.
            bus.send(END, stream)
        answered = {bus.receive(None, MESSAGE).stream for _ in opened}
        assert answered == set(opened)


def test_a_stream_of_answers_ends_when_it_is_taken_back(registry):
    room = "bus-" + secrets.token_hex(4)
    with BusWire(registry) as bus:
        watch = bus.open(f"{REGISTRY}/WatchRooms")
        bus.send(MESSAGE, watch, b"", LAST)
        # A watch stands once the registry has read it: place until one is told.
        answer = bus.call(f"{REGISTRY}/PlaceRoom", encoded("roost.registry.v1.PlaceRoomRequest", f'room: "{room}-0"'))
        assert isinstance(answer, bytes), answer
        time.sleep(0.5)
        answer = bus.call(f"{REGISTRY}/PlaceRoom", encoded("roost.registry.v1.PlaceRoomRequest", f'room: "{room}"'))
        placed = decoded("roost.registry.v1.PlaceRoomResponse", answer)
        node, epoch = re.search(r'node_id: "(.*)"', placed)[1], re.search(r"epoch: (\d+)", placed)[1]
        while room + '"' not in (told := decoded("roost.registry.v1.WatchRoomsResponse", bus.receive(watch, MESSAGE).payload)):
            pass
        assert node in told
        bus.send(CANCEL, watch)
        release = f'room: "{room}" node_id: "{node}" epoch: {epoch}'
        bus.call(f"{REGISTRY}/ReleaseRoom", encoded("roost.registry.v1.ReleaseRoomRequest", release))
        # Nothing more on the stream, and the connection serves on.
        assert "sfu-1" in nodes(bus)


@pytest.mark.parametrize("method", ["/roost.registry.v1.Registry/Nothing", "/nobody.Here/Call", "no slash", ""])
def test_what_nobody_serves_is_unimplemented(registry, method):
    with BusWire(registry) as bus:
        code, said = bus.call(method, b"")
        assert code == 12 and said
        assert "sfu-1" in nodes(bus)


def test_what_is_no_message_of_its_type_is_an_invalid_argument(registry):
    with BusWire(registry) as bus:
        assert bus.call(f"{REGISTRY}/PlaceRoom", b"\xff\xff\xff")[0] == 3
        assert "sfu-1" in nodes(bus)


def test_a_deadline_is_kept_by_the_called_side(registry):
    with BusWire(registry) as bus:
        began = time.monotonic()
        watch = bus.open(f"{REGISTRY}/WatchRooms", milliseconds=400)
        bus.send(MESSAGE, watch, b"", LAST)
        code, _ = bus.receive(watch, STATUS).status
        assert code == 4 and 0.3 < time.monotonic() - began < 2


def test_what_was_allowed_is_not_exceeded_until_more_is(registry, cluster):
    room = "bus-" + secrets.token_hex(4)
    # One byte of credit: one message may be sent, of any length, and then none.
    with BusWire(registry, credit=1) as bus:
        watch = bus.open(f"{REGISTRY}/WatchRooms")
        bus.send(MESSAGE, watch, b"", LAST)
        time.sleep(0.3)
        with BusWire(registry) as other:
            for number in range(3):
                other.call(f"{REGISTRY}/PlaceRoom", encoded("roost.registry.v1.PlaceRoomRequest", f'room: "{room}-{number}"'))
        first = bus.receive(watch, MESSAGE).payload
        bus.socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            bus.receive(watch, MESSAGE)
        bus.socket.settimeout(10)
        bus.send(CREDIT, watch, struct.pack("!I", len(first)))
        assert bus.receive(watch, MESSAGE).payload != first


def test_it_asks_whether_we_live_and_answers_when_we_ask(registry):
    with BusWire(registry) as bus:
        bus.answers_pings = False
        ping = bus.receive(0, PING)
        assert len(ping.payload) == 8
        bus.send(PING, 0, b"12345678")
        assert bus.receive(0, PONG).payload == b"12345678"
        # Any byte is life: this connection lasts, though no PING of the other's was answered.
        for _ in range(3):
            time.sleep(0.7)
            bus.send(PING, 0, b"abcdefgh")
        assert "sfu-1" in nodes(bus)
    with BusWire(registry) as silent:
        began = time.monotonic()
        assert silent.is_closed(within=10)
        assert 3 < time.monotonic() - began < 9


def test_what_later_versions_may_add_is_skipped_and_late_frames_too(registry):
    with BusWire(registry) as bus:
        bus.send(0x40, 0, b"whatever")
        bus.send(0xFF, 77, b"whatever")
        assert "sfu-1" in nodes(bus)
        over = bus.next_stream - 2
        for kind, payload in ((MESSAGE, b"late"), (END, b""), (CREDIT, struct.pack("!I", 10)), (CANCEL, b"")):
            bus.send(kind, over, payload)
        assert "sfu-1" in nodes(bus)


OVERLONG = struct.pack("!IBBHQ", (4 << 20) + 1, MESSAGE, 0, 0, 1)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda bus: bus.send(0x20, 0), id="an unknown kind"),
        pytest.param(lambda bus: bus.send(MESSAGE, 9), id="a stream never opened"),
        pytest.param(lambda bus: (bus.open("/a/b"), bus.send(HEADERS, 1, struct.pack("!Q", 0) + text("/a/b") + b"\0\0")), id="a stream twice"),
        pytest.param(lambda bus: bus.send(HEADERS, 2, struct.pack("!Q", 0) + text("/a/b") + b"\0\0"), id="a stream of the other's"),
        pytest.param(lambda bus: bus.send(HEADERS, 1, b"\0\0"), id="headers cut short"),
        pytest.param(lambda bus: bus.send(HELLO, 0, b"ROOSTBUS"), id="a second hello"),
        pytest.param(lambda bus: bus.socket.sendall(OVERLONG), id="a message too long"),
        pytest.param(lambda bus: bus.send(PING, 0, b"x" * 16_385), id="a control frame too long"),
        pytest.param(lambda bus: bus.socket.sendall(b"GET / HTTP/1.1\r\n\r\n" * 10), id="another protocol"),
    ],
)
def test_an_error_ends_its_connection_and_no_other(registry, cluster, fault):
    with BusWire(registry) as good, BusWire(registry) as bad:
        assert "sfu-1" in nodes(bad)
        fault(bad)
        assert bad.is_closed()
        assert "sfu-1" in nodes(good)
    # Whoever looks for the culprit finds it.
    assert f"peer=python-1 peer-pid={os.getpid()}" in (cluster.run / "registry-1.log").read_text()


def test_no_version_in_common_is_refused(registry):
    with BusWire(registry, version=9) as bus:
        assert bus.is_closed()


def joining(room: str, number: int) -> str:
    return (
        f'room: "{room}" epoch: 1 kind: ROOM_KIND_ROOM topology: TOPOLOGY_SFU member {{ member_id: "m{number}" person_id: "p{number}" '
        f'name: "Python {number}" signal_id: "python-1" media {{ audio: true }} }}'
    )


def test_a_call_id_goes_along(cluster):
    id = "python-" + secrets.token_hex(4)
    with BusWire(cluster.run / "sfu-1.sock") as bus:
        answer = bus.call(f"{ROOMS}/Join", encoded("roost.rooms.v1.JoinRequest", joining("bus-" + secrets.token_hex(4), 1)), call_id=id)
        assert isinstance(answer, bytes), answer
    log = cluster.run / "sfu-1.log"
    wait_until(lambda: f"call-id={id}" in log.read_text(), "the node's log names the call", 5, seen=log.read_text)


def test_a_member_joins_and_hears_events_without_a_signal(cluster):
    """A service of another make may keep rooms, too: join, follow the events, be told of another's coming."""
    room = "bus-" + secrets.token_hex(4)
    with BusWire(cluster.run / "sfu-1.sock") as bus:
        answer = bus.call(f"{ROOMS}/Join", encoded("roost.rooms.v1.JoinRequest", joining(room, 1)))
        assert isinstance(answer, bytes), answer
        events = bus.open(f"{ROOMS}/Events")
        bus.send(MESSAGE, events, encoded("roost.rooms.v1.EventsRequest", f'room: "{room}" signal_id: "python-1"'), LAST)
        heard = decoded("roost.rooms.v1.EventsResponse", bus.receive(events, MESSAGE).payload)
        assert "Python 1" in heard
        bus.call(f"{ROOMS}/Join", encoded("roost.rooms.v1.JoinRequest", joining(room, 2)))
        while "Python 2" not in heard:
            heard = decoded("roost.rooms.v1.EventsResponse", bus.receive(events, MESSAGE).payload)


def test_who_goes_says_so_and_finishes_what_it_serves(cluster):
    """Last, as it ends a registry (which comes back)."""
    with BusWire(cluster.run / "registry-1.sock") as bus:
        assert "sfu-1" in nodes(bus)
        old = cluster.kill("registry-1", signal.SIGTERM)
        farewell = bus.receive(0, GOAWAY)
        last, length = struct.unpack_from("!QH", farewell.payload)
        assert last == bus.next_stream - 2
        assert farewell.payload[10 : 10 + length]
        assert bus.is_closed(within=15)
    cluster.wait_restarted("registry-1", old)
    cluster.wait_whole(20)
