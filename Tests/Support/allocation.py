"""One TURN allocation over UDP, said byte by byte (RFC 8489, RFC 8656): for what coturn's tools do not tell."""

import hashlib
import hmac
import os
import socket
import struct
import time

MAGIC = 0x2112A442
ALLOCATE, REFRESH = 0x003, 0x004
USERNAME, INTEGRITY, ERROR, LIFETIME, REALM, NONCE, RELAYED, TRANSPORT = 0x06, 0x08, 0x09, 0x0D, 0x14, 0x15, 0x16, 0x19


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code: int, reason: str):
        super().__init__(f"{code} {reason}")
        self.code = code


class Allocation:
    """A socket, a credential, and what the server gives for it. Use it in a `with`, or call `close`."""

    def __init__(self, host: str, port: int, username: str, password: str, patience: float = 5):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.username, self.password, self.patience = username, password, patience
        self.realm = self.nonce = b""

    def __enter__(self) -> "Allocation":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the allocation, if it can, and the socket."""
        try:
            if self.nonce:
                self.patience = 1
                self.refresh(0)
        except (Refused, OSError):
            pass
        self.socket.close()

    def allocate(self) -> tuple[str, int]:
        """The relayed address."""
        answer = self._ask(ALLOCATE, [(TRANSPORT, bytes([17, 0, 0, 0]))])
        _, family, port, address = struct.unpack("!BBHI", answer[RELAYED][:8])
        assert family == 1, "the relayed address is IPv4"
        return socket.inet_ntoa(struct.pack("!I", address ^ MAGIC)), port ^ (MAGIC >> 16)

    def refresh(self, lifetime: int = 600) -> int:
        """The lifetime that it now has."""
        answer = self._ask(REFRESH, [(LIFETIME, struct.pack("!I", lifetime))])
        return struct.unpack("!I", answer[LIFETIME])[0]

    def _ask(self, method: int, attributes: list[tuple[int, bytes]]) -> dict[int, bytes]:
        for _ in range(3):
            # Without a nonce yet, or with one that is stale, the server tells another.
            kind, answer = self._exchange(method, attributes)
            if kind & 0x110 == 0x100:
                return answer
            code = answer[ERROR][2] * 100 + answer[ERROR][3]
            is_news = NONCE in answer and answer[NONCE] != self.nonce and (code == 438 or not self.nonce)
            self.realm, self.nonce = answer.get(REALM, self.realm), answer.get(NONCE, self.nonce)
            if not is_news:
                raise Refused(code, answer[ERROR][4:].decode(errors="replace"))
        raise Refused(438, "a fresh nonce each time")

    def _exchange(self, method: int, attributes: list[tuple[int, bytes]]) -> tuple[int, dict[int, bytes]]:
        transaction = os.urandom(12)
        body = b"".join(attribute(*each) for each in attributes)
        if self.nonce:
            body += attribute(USERNAME, self.username.encode()) + attribute(REALM, self.realm) + attribute(NONCE, self.nonce)
            key = hashlib.md5(f"{self.username}:{self.realm.decode()}:{self.password}".encode()).digest()
            signed = header(method, len(body) + 24, transaction) + body
            body += attribute(INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
        request = header(method, len(body), transaction) + body
        end, wait = time.monotonic() + self.patience, 0.5
        while time.monotonic() < end:
            self.socket.send(request)
            self.socket.settimeout(wait)
            wait *= 2
            try:
                answer = self.socket.recv(2_048)
            except TimeoutError:
                continue
            kind, length, _ = struct.unpack("!HHI", answer[:8])
            if answer[8:20] == transaction:
                return kind, parsed(answer[20 : 20 + length])
        raise TimeoutError(f"no answer from {self.socket.getpeername()}")


def header(method: int, length: int, transaction: bytes) -> bytes:
    return struct.pack("!HHI", method, length, MAGIC) + transaction


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def parsed(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(body) >= 4:
        kind, length = struct.unpack("!HH", body[:4])
        found.setdefault(kind, body[4 : 4 + length])
        body = body[4 + length + -length % 4 :]
    return found
