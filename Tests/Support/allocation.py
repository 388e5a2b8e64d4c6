"""One TURN allocation, said byte by byte (RFC 8489, RFC 8656): for what coturn's tools do not tell, and for what they would never send."""

import hashlib
import hmac
import os
import socket
import ssl
import struct
import time

MAGIC = 0x2112A442
BINDING, ALLOCATE, REFRESH, SEND, DATA, PERMIT, BIND = 0x001, 0x003, 0x004, 0x006, 0x007, 0x008, 0x009
INDICATION, SUCCESS, FAILURE = 0x010, 0x100, 0x110
USERNAME, INTEGRITY, ERROR, CHANNEL, LIFETIME, PEER, PAYLOAD = 0x06, 0x08, 0x09, 0x0C, 0x0D, 0x12, 0x13
REALM, NONCE, RELAYED, FAMILY, TRANSPORT, DONT_FRAGMENT, MAPPED, ICMP = 0x14, 0x15, 0x16, 0x17, 0x19, 0x1A, 0x20, 0x8004
ADDITIONAL_FAMILY, ADDRESS_ERROR, EVEN_PORT = 0x8000, 0x8001, 0x18

Address = tuple[str, int]
# An address is written as XOR-PEER-ADDRESS is, which takes the message's transaction.
Attribute = tuple[int, bytes | Address]


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, code: int, reason: str):
        super().__init__(f"{code} {reason}")
        self.code = code


class Allocation:
    """A socket, a credential, and what the server gives for it. Use it in a `with`, or call `close`."""

    def __init__(
        self, host: str, port: int, username: str, password: str, patience: float = 5, over: str = "udp", source: str | None = None
    ):
        self.socket = connected(host, port, over, source)
        self.write = self.socket.sendall
        self.is_stream = over != "udp"
        self.username, self.password, self.patience = username, password, patience
        self.realm = self.nonce = self.transaction = b""
        # What came and belongs to no request: indications and ChannelData, whole.
        self.heard: list[bytes] = []
        self._rest = b""

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

    # -- requests

    def allocate(self, *attributes: Attribute) -> Address:
        """The relayed address."""
        return unmasked(*self.answer(ALLOCATE, [(TRANSPORT, bytes([17, 0, 0, 0])), *attributes], RELAYED))

    def refresh(self, lifetime: int = 600) -> int:
        """The lifetime that it now has."""
        answer = self.ask(REFRESH, [(LIFETIME, struct.pack("!I", lifetime))])
        return struct.unpack("!I", answer[LIFETIME])[0]

    def permit(self, *peers: Address) -> None:
        """Lets these peers in."""
        self.ask(PERMIT, [(PEER, peer) for peer in peers])

    def bind(self, channel: int, peer: Address) -> None:
        """Names the peer by a channel."""
        self.ask(BIND, [(CHANNEL, struct.pack("!HH", channel, 0)), (PEER, peer)])

    def answer(self, method: int, attributes: list[Attribute], kind: int) -> tuple[bytes, bytes]:
        """One attribute of the answer, and the transaction that masks the address in it."""
        return self.ask(method, attributes)[kind], self.transaction

    def ask(self, method: int, attributes: list[Attribute]) -> dict[int, bytes]:
        """A request, signed once the server has told how; its answer. Raises `Refused`."""
        for _ in range(3):
            # Without a nonce yet, or with one that is stale, the server tells another.
            kind, answer = self.exchange(self.request(method, attributes))
            if kind & 0x110 == SUCCESS:
                return answer
            code = answer[ERROR][2] * 100 + answer[ERROR][3]
            is_news = NONCE in answer and answer[NONCE] != self.nonce and (code == 438 or not self.nonce)
            self.realm, self.nonce = answer.get(REALM, self.realm), answer.get(NONCE, self.nonce)
            if not is_news:
                raise Refused(code, answer[ERROR][4:].decode(errors="replace"))
        raise Refused(438, "a fresh nonce each time")

    def request(self, method: int, attributes: list[Attribute]) -> bytes:
        """The bytes of a request."""
        transaction = self.transaction = os.urandom(12)
        body = written(attributes, transaction)
        if self.nonce:
            body += attribute(USERNAME, self.username.encode()) + attribute(REALM, self.realm) + attribute(NONCE, self.nonce)
            key = hashlib.md5(f"{self.username}:{self.realm.decode()}:{self.password}".encode()).digest()
            signed = header(method, len(body) + 24, transaction) + body
            body += attribute(INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
        return header(method, len(body), transaction) + body

    def exchange(self, request: bytes) -> tuple[int, dict[int, bytes]]:
        """Kind and attributes of the answer; over UDP the request is sent again until it comes."""
        end, wait, send = time.monotonic() + self.patience, 0.5, True
        while time.monotonic() < end:
            if send:
                self.write(request)
            message = self._next(min(wait, max(0.01, end - time.monotonic())))
            send = message is None and not self.is_stream
            if message is None:
                wait *= 2
            elif message[0] < 0x40 and message[8:20] == request[8:20]:
                kind, length = struct.unpack("!HH", message[:4])
                return kind, parsed(message[20 : 20 + length])
            else:
                self.heard.append(message)
        raise TimeoutError(f"no answer from {self.socket.getpeername()}")

    # -- data

    def send(self, peer: Address, data: bytes, *attributes: Attribute) -> None:
        """A Send indication."""
        transaction = os.urandom(12)
        body = written([(PEER, peer), *attributes, (PAYLOAD, data)], transaction)
        self.write(header(SEND | INDICATION, len(body), transaction) + body)

    def send_channel(self, channel: int, data: bytes) -> None:
        """ChannelData."""
        padding = bytes(-len(data) % 4) if self.is_stream else b""
        self.write(struct.pack("!HH", channel, len(data)) + data + padding)

    def hear(self, timeout: float = 5) -> dict[int, bytes] | tuple[int, bytes] | None:
        """What comes next of the peers: a Data indication's attributes, or channel and bytes; None after the time."""
        end = time.monotonic() + timeout
        while not self.heard:
            message = self._next(max(0.001, end - time.monotonic()))
            if message is not None:
                self.heard.append(message)
            elif time.monotonic() >= end:
                return None
        message = self.heard.pop(0)
        kind, length = struct.unpack("!HH", message[:4])
        return (kind, message[4 : 4 + length]) if kind >= 0x4000 else parsed(message[20 : 20 + length])

    def hear_data(self, timeout: float = 5) -> bytes | None:
        """The bytes of what comes next of the peers."""
        heard = self.hear(timeout)
        return heard[1] if isinstance(heard, tuple) else heard and heard.get(PAYLOAD)

    def _next(self, timeout: float) -> bytes | None:
        """One whole message, or None if none came in time."""
        end = time.monotonic() + timeout
        while True:
            if len(self._rest) >= 4:
                kind, length = struct.unpack("!HH", self._rest[:4])
                # Channel data is padded on streams (RFC 8656 §12.5).
                size = 20 + length if kind < 0x4000 else 4 + length + (-length % 4 if self.is_stream else 0)
                if len(self._rest) >= size:
                    message = self._rest[:size]
                    self._rest = self._rest[size:] if self.is_stream else b""
                    return message
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                came = self.socket.recv(65_536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if not came and self.is_stream:
                raise ConnectionResetError("the server closed the stream")
            self._rest = self._rest + came if self.is_stream else came


def connected(host: str, port: int, over: str = "udp", source: str | None = None) -> socket.socket:
    """A socket to the server over `udp`, `tcp` or `tls`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if over == "udp" else socket.SOCK_STREAM)
    if source is not None:
        made.bind((source, 0))
    made.connect((host, port))
    if over != "tls":
        return made
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(made)


def masked(address: Address, transaction: bytes) -> bytes:
    """An address as XOR-PEER-ADDRESS has it."""
    host, port = address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return struct.pack("!BBH", 0, 2 if ":" in host else 1, port ^ (MAGIC >> 16)) + mask(socket.inet_pton(family, host), transaction)


def unmasked(value: bytes, transaction: bytes) -> Address:
    """The address in an XOR-… attribute."""
    _, family, port = struct.unpack("!BBH", value[:4])
    return socket.inet_ntop(socket.AF_INET6 if family == 2 else socket.AF_INET, mask(value[4:], transaction)), port ^ (MAGIC >> 16)


def mask(address: bytes, transaction: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(address, struct.pack("!I", MAGIC) + transaction, strict=False))


def written(attributes: list[Attribute], transaction: bytes) -> bytes:
    return b"".join(attribute(kind, value if isinstance(value, bytes) else masked(value, transaction)) for kind, value in attributes)


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
