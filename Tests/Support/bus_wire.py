"""A client of the bus, written after docs/protocol/bus.md and nothing else; messages are read and written by protoc."""

import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from cluster import ROOT

PROTOS = ROOT / "Shared" / "Messages" / "Protos"
HELLO, HEADERS, MESSAGE, END, STATUS, CANCEL, CREDIT, PING, PONG, GOAWAY = range(1, 11)
LAST = 1


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def encoded(type: str, fields: str = "") -> bytes:
    return _protoc("--encode", type, fields.encode())


def decoded(type: str, message: bytes) -> str:
    """In protobuf's text form."""
    return _protoc("--decode", type, message).decode()


def _protoc(what: str, type: str, data: bytes) -> bytes:
    file = PROTOS / f"{type.split('.')[1]}.proto"
    return subprocess.run(["protoc", f"{what}={type}", f"-I{PROTOS}", file.name], input=data, capture_output=True, check=True, cwd=PROTOS).stdout


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def status(self) -> tuple[int, str]:
        assert self.kind == STATUS, self
        code, length = struct.unpack_from("!IH", self.payload)
        return code, self.payload[6 : 6 + length].decode()


class BusWire:
    """One connection, blocking. `with BusWire(path) as bus:`"""

    def __init__(self, path: Path, *, version: int = 1, credit: int = 1 << 20, streams: int = 100):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.next_stream = 1
        self.answers_pings = True
        self.kept: list[Frame] = []
        hello = b"ROOSTBUS" + struct.pack("!HHII", version, version, credit, streams) + text("python-1")
        self.send(HELLO, 0, hello)

    def __enter__(self) -> "BusWire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> None:
        self.socket.sendall(struct.pack("!IBBHQ", len(payload), kind, flags, 0, stream) + payload)

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = self.socket.recv(count - len(got))
            if not more:
                raise ConnectionError("the bus closed the connection")
            got += more
        return got

    def receive_any(self) -> Frame:
        length, kind, flags, zero, stream = struct.unpack("!IBBHQ", self._exactly(16))
        assert zero == 0
        return Frame(kind, flags, stream, self._exactly(length))

    def receive(self, stream: int | None = None, *kinds: int) -> Frame:
        """The next such frame; keeps the others for later, and answers what keeps the connection alive."""

        def wanted(frame: Frame) -> bool:
            return (stream is None or frame.stream == stream) and (not kinds or frame.kind in kinds)

        for frame in self.kept:
            if wanted(frame):
                self.kept.remove(frame)
                return frame
        while True:
            frame = self.receive_any()
            if frame.kind == PING and self.answers_pings:
                self.send(PONG, 0, frame.payload)
            elif wanted(frame):
                return frame
            else:
                self.kept.append(frame)

    def open(self, method: str, milliseconds: int = 0, **metadata: str) -> int:
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        entries = b"".join(text(key.replace("_", "-")) + text(value) for key, value in metadata.items())
        self.send(HEADERS, stream, struct.pack("!Q", milliseconds * 1000) + text(method) + struct.pack("!H", len(metadata)) + entries)
        return stream

    def call(self, method: str, message: bytes, milliseconds: int = 5_000, **metadata: str) -> bytes | tuple[int, str]:
        """A unary call: the answer, or the code and text of what went wrong."""
        stream = self.open(method, milliseconds, **metadata)
        self.send(MESSAGE, stream, message, LAST)
        frame = self.receive(stream, MESSAGE, STATUS)
        if frame.kind == STATUS:
            return frame.status
        if not frame.flags & LAST:
            assert self.receive(stream, STATUS).status[0] == 0
        return frame.payload

    def is_closed(self, within: float = 5) -> bool:
        """Whether the other end closes; what it still sends before is of no interest."""
        end = time.monotonic() + within
        try:
            while time.monotonic() < end:
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                if not self.socket.recv(65536):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False
