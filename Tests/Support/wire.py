"""A client of docs/protocol/signal.md without a browser: says what it is told to say, and keeps what it hears."""

import json
import secrets
import socket
import ssl
import time
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from waiting import PATIENCE, NeverCame

SUBPROTOCOL = "roost.1"


class Refused(Exception):
    """Signal answered a request with `error`."""

    def __init__(self, message: dict):
        super().__init__(f"{message.get('code')}: {message.get('message')}")
        self.message = message
        self.code = message.get("code")


def room_id() -> str:
    return "c-" + secrets.token_urlsafe(16)


def new_key() -> str:
    return secrets.token_urlsafe(24)


def unique(name: str) -> str:
    """A name that no other test uses."""
    return f"{name} {secrets.token_hex(3)}"


class Wire:
    """One socket to signal, and the session on it."""

    def __init__(self, url: str):
        self.url = url
        self.socket: ClientConnection = self._connect()
        self.count = 0
        self.heard: list[dict] = []
        self.answers: dict[int, dict] = {}
        self.other: list[dict] = []
        self.seq = 0
        self.session: dict = {}
        self.closed: tuple[int, str] | None = None

    def _connect(self) -> ClientConnection:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        context = None
        if secure:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return connect(
            f"{'wss' if secure else 'ws'}://{parts.netloc}/ws", subprotocols=[SUBPROTOCOL], origin=f"{parts.scheme}://{parts.netloc}",
            ssl=context, max_size=2**20, open_timeout=20, close_timeout=2, ping_interval=None, proxy=None,
            # With a full queue the library reads no pings either, and signal would take for gone whom a test does not listen to.
            max_queue=None,
        )  # fmt: skip

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- speaking

    def send(self, message: dict) -> None:
        self.socket.send(json.dumps(message))

    def send_raw(self, text: str | bytes) -> None:
        self.socket.send(text)

    def start(self, type: str, **fields: object) -> int:
        """Sends a request without waiting for its answer."""
        self.count += 1
        self.send({"type": type, "id": self.count, **fields})
        return self.count

    def start_too_long(self, type: str, **fields: object) -> None:
        """Sends what signal cuts: it may close the socket while the rest is still being sent."""
        self.count += 1
        self.send_quietly({"type": type, "id": self.count, **fields})

    def ask(self, type: str, timeout: float = PATIENCE, **fields: object) -> dict:
        """Sends a request; gives back its `ok`, or raises its `error`."""
        return self.answer(self.start(type, **fields), timeout)

    def answer(self, id: int, timeout: float = PATIENCE) -> dict:
        message = self.until(lambda: self.answers.get(id), f"an answer to request {id}", timeout)
        if message["type"] == "error":
            raise Refused(message)
        return message

    def refusal(self, type: str, timeout: float = PATIENCE, **fields: object) -> str:
        """Sends a request that must be refused; gives back the code."""
        try:
            answer = self.ask(type, timeout, **fields)
        except Refused as refused:
            assert refused.message.get("message"), f"an error without words for people: {refused.message}"
            return str(refused.code)
        raise AssertionError(f"{type} {fields} was not refused: {answer}")

    def hello(self, name: str, key: str | None = None, **fields: object) -> "Wire":
        self.key = key or new_key()
        self.session = self.ask("hello", **{"v": 1, "name": name, "key": self.key, **fields})
        return self

    def resume(self, other: "Wire", rooms: list[dict] | None = None, seq: int | None = None) -> dict:
        """Picks up on this socket the session of another one."""
        self.count = other.count
        self.seq = other.seq if seq is None else seq
        known = rooms if rooms is not None else [{"room": r["room"], "epoch": r["epoch"], "seq": r["seq"]} for r in other.rooms()]
        answer = self.ask("resume", token=other.session["token"], seq=self.seq, rooms=known)
        self.session = {**other.session, **answer}
        return answer

    # -- hearing

    def pump(self, seconds: float) -> bool:
        """Hears what comes within `seconds`, at most one message; False when none came or the socket ended."""
        if self.closed is not None:
            return False
        try:
            text = self.socket.recv(timeout=max(seconds, 0.001))
        except TimeoutError:
            return False
        except ConnectionClosed as closed:
            frame = closed.rcvd
            self.closed = (frame.code, frame.reason) if frame else (1006, "")
            return False
        message = json.loads(text)
        if message["type"] in ("ok", "error") and "re" in message:
            assert message["re"] not in self.answers, f"answered twice: {message}"
            self.answers[message["re"]] = message
        elif "seq" in message and message["type"] not in ("ok", "error", "pong", "bye"):
            assert message["seq"] == self.seq + 1, f"after {self.seq} came {message}"
            self.seq = message["seq"]
            self.heard.append(message)
            self.send_quietly({"type": "ack", "seq": self.seq})
        else:
            self.other.append(message)
        return True

    def send_quietly(self, message: dict) -> None:
        try:
            self.send(message)
        except ConnectionClosed:
            pass

    def until(self, condition, what: str, timeout: float = PATIENCE):
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0 or (not self.pump(left) and self.closed is not None):
                value = condition()
                if value:
                    return value
                raise NeverCame(
                    f"{what}; closed {self.closed}; heard last {json.dumps(self.heard[-5:])[:1500]}; other {json.dumps(self.other[-3:])[:600]}"
                )

    def hear(self, type: str, timeout: float = PATIENCE, **wanted: object) -> dict:
        """Waits for a message of a type whose fields have the wanted values, from the ones heard and not yet taken."""

        def found() -> dict | None:
            for index, message in enumerate(self.heard):
                if message["type"] == type and all(message.get(k) == v for k, v in wanted.items()):
                    return self.heard.pop(index)
            return None

        return self.until(found, f"{type} {wanted}", timeout)

    def hears_no(self, type: str, seconds: float = 1.0, **wanted: object) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.closed is None:
            self.pump(end - time.monotonic())
        wrong = [m for m in self.heard if m["type"] == type and all(m.get(k) == v for k, v in wanted.items())]
        assert not wrong, f"heard {wrong}"

    def hear_close(self, timeout: float = PATIENCE) -> tuple[int, str]:
        """Waits until signal closes the socket; gives back code and reason."""
        end = time.monotonic() + timeout
        while self.closed is None:
            if time.monotonic() > end:
                raise NeverCame("signal did not close the socket")
            self.pump(end - time.monotonic())
        return self.closed

    def rooms(self) -> list[dict]:
        """The rooms this session was told of, with the last event heard of each (only those still in `heard`, or answered)."""
        known: dict[str, dict] = {}
        for message in [*self.answers.values(), *self.heard]:
            room = message.get("room") if isinstance(message.get("room"), dict) else message.get("state")
            if isinstance(room, dict) and "epoch" in room:
                known[room["room"]] = dict(room)
        for message in self.heard:
            if message["type"] == "event" and message["room"] in known:
                known[message["room"]]["seq"] = max(known[message["room"]]["seq"], message["n"])
        return list(known.values())

    # -- ending

    def sign_out(self) -> None:
        """Signs out; signal closes the socket after its answer, and this client's library may drop an answer that the close overtakes."""
        try:
            self.ask("sign-out")
        except NeverCame:
            assert self.closed and self.closed[0] == 1000, self.closed

    def close(self, code: int = 1000) -> None:
        try:
            # With unread messages the library reads no answer to its close either, and waits for it in vain.
            while True:
                self.socket.recv(timeout=0.01)
        except Exception:  # noqa: BLE001 - none is left
            pass
        try:
            self.socket.close(code)
        except Exception:  # noqa: BLE001 - it may be gone already
            pass

    def fall_silent(self) -> None:
        """Says nothing more, no answer to a ping either, and ends nothing: what is left of a machine that sleeps or lost its network."""
        self.socket.protocol.send_frame = lambda frame: None

    def vanish(self) -> None:
        """Ends the connection without a word, as a lost network does."""
        raw: socket.socket = self.socket.socket
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        raw.close()
        self.closed = (1006, "vanished")
