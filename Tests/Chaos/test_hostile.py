"""A hostile client gets errors or a cut; another call on the same signal notices nothing."""

import json
import socket
import struct
import threading
import time

import psutil
import pytest

from calls import call, media_goes_on, sees_picture
from cluster import Cluster
from waiting import NeverCame, wait_until
from wire import Refused, Wire, new_key, room_id, unique

MEDIA = {"audio": True, "video": True, "screen": False}


class Witness:
    """Two who are in a call on the same signal and talk all the while: every word must arrive, in order and soon."""

    def __init__(self, url: str):
        self.ann, self.bob = Wire(url), Wire(url)
        self.ann.hello(unique("Ann"))
        self.bob.hello(unique("Bob"))
        self.room = room_id()
        self.ann.ask("call", room=self.room, to=self.bob.session["person"], video=True, media=MEDIA)
        self.bob.hear("ring", room=self.room)
        self.bob.ask("join", room=self.room, kind="call", topology="auto", media=MEDIA)
        self.ann.hear("event", room=self.room, kind="joined")
        self.stopping = threading.Event()
        self.slowest = 0.0
        self.words = 0
        self.trouble: BaseException | None = None
        self.thread = threading.Thread(target=self._talk, daemon=True)

    def _talk(self) -> None:
        try:
            while not self.stopping.is_set():
                began = time.monotonic()
                self.ann.ask("send", room=self.room, to=None, message={"type": "chat", "body": self.words})
                while True:
                    event = self.bob.hear("event", room=self.room)
                    assert event["kind"] == "message", event
                    if event["kind"] == "message":
                        break
                assert event["message"]["body"] == self.words, event
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.words += 1
                self.ann.answers.clear()
                # Below the node's bound on messages a member may send.
                time.sleep(0.05)
        except BaseException as trouble:  # noqa: BLE001 - shown by the test's thread
            self.trouble = trouble

    def __enter__(self) -> "Witness":
        self.thread.start()
        wait_until(lambda: self.words > 3 or self.trouble, "the two talk")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        before = self.words
        if kind is None and self.trouble is None:
            wait_until(lambda: self.words > before + 3 or self.trouble, "the two still talk")
        self.stopping.set()
        self.thread.join(30)
        self.ann.close()
        self.bob.close()
        if kind is None:
            assert self.trouble is None, f"the other call was harmed: {self.trouble!r}"
            assert self.slowest < 2.0, f"a word between the other two took {self.slowest:.2f} s"


@pytest.fixture
def witness(cluster):
    with Witness(cluster.url()) as both:
        yield both


def cut(client: Wire, code: str) -> None:
    """The socket is closed for cause, after an error that says which."""
    status, _ = client.hear_close()
    assert status == 1008, client.closed
    assert any(m["type"] == "error" and m["code"] == code for m in [*client.other, *client.answers.values()]), (client.other, client.answers)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", "bad-json"), ("[]", "bad-json"), ("null", "bad-json"), ('"hello"', "bad-json"), ("", "bad-json"), ("{}", "bad-json"),
        ('{"type": 3, "id": 1}', "bad-json"), ("[" * 20_000, "bad-json"), ('{"type":"hello"' + " " * 70_000 + "}", "oversize"),
        ('{"type": "nonsense", "id": 1}', "unknown-type"),
    ],
    ids=["open brace", "list", "null", "string", "empty", "no type", "type no string", "deep", "oversize", "unknown type"],
)  # fmt: skip
def test_what_is_no_message_is_refused(cluster, witness, said, code):
    with Wire(cluster.url()) as client:
        client.send_raw(said)
        client.until(
            lambda: client.closed or any(m["type"] == "error" for m in [*client.other, *client.answers.values()]), "an error or a cut"
        )
        errors = [m["code"] for m in [*client.other, *client.answers.values()] if m["type"] == "error"]
        assert errors and errors[0] == code, (errors, client.closed)


def test_a_binary_frame_is_refused(cluster, witness):
    with Wire(cluster.url()) as client:
        client.hello(unique("Eve"))
        client.send_raw(b"\x00\xff\xfe")
        client.until(lambda: client.closed or client.other, "an error or a cut")


def test_what_comes_before_signing_in_is_refused(cluster, witness):
    for type, fields in [
        ("call", {"room": room_id(), "to": "x", "video": True, "media": MEDIA}), ("join", {"room": room_id(), "media": MEDIA}),
        ("leave", {"room": "c-x"}), ("send", {"room": "c-x", "to": None, "message": {"type": "chat", "body": 1}}),
    ]:  # fmt: skip
        with Wire(cluster.url()) as client:
            try:
                assert client.refusal(type, **fields) == "sign-in-first"
            except NeverCame:
                cut(client, "sign-in-first")


def test_out_of_order_requests_are_refused_each_by_itself(cluster, witness):
    with Wire(cluster.url()) as client:
        client.hello(unique("Eve"))
        assert client.refusal("send", room=room_id(), to=None, message={"type": "chat", "body": 1})
        assert client.refusal("update", room=room_id(), media=MEDIA)
        assert client.refusal("answer", room=room_id(), state="perhaps")
        assert client.refusal("join", room=room_id(), kind="call", topology="auto", media=MEDIA) == "gone"
        # The socket is none the worse.
        client.start("ping")
        client.until(lambda: any(m["type"] == "pong" for m in client.other), "a pong")


@pytest.mark.parametrize(
    "fields",
    [
        {"room": "c-short", "to": "x"}, {"room": "../../etc", "to": "x"}, {"room": 7, "to": "x"}, {"to": "x"}, {"room": "c-" + "a" * 22, "to": ["x"]},
        {"room": "c-" + "a" * 22, "to": "x" * 5000}, {"room": "c-" + "é" * 22, "to": "x"},
    ],
    ids=["short", "path", "number", "none", "list", "long", "accents"],
)  # fmt: skip
def test_calls_with_nonsense_are_refused(cluster, fields):
    with Wire(cluster.url()) as client:
        client.hello(unique("Eve"))
        try:
            assert client.refusal("call", **{"video": True, "media": MEDIA, **fields})
        except NeverCame:
            assert client.closed and client.closed[0] == 1008


@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 41, "a\u0000b", "a\nb", "a\u202eb", "\u200b", 7, None, ["Ann"]],
    ids=["empty", "blank", "long", "nul", "newline", "bidi", "invisible", "number", "null", "list"],
)  # fmt: skip
def test_names_that_cannot_be_used_are_refused(cluster, name):
    with Wire(cluster.url()) as client:
        try:
            assert client.refusal("hello", v=1, name=name, key=new_key()) in ("name-invalid", "bad-json", "bad-request")
        except NeverCame:
            assert client.closed and client.closed[0] == 1008


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "not url safe! not url safe!", None], ids=["empty", "short", "long", "signs", "null"])
def test_keys_that_are_none_are_refused(cluster, key):
    with Wire(cluster.url()) as client:
        try:
            assert client.refusal("hello", v=1, name=unique("Eve"), key=key)
        except NeverCame:
            assert client.closed and client.closed[0] == 1008


def test_script_in_a_name_stays_text_for_everyone(cluster, witness):
    with Wire(cluster.url()) as client, Wire(cluster.url()) as other:
        name = "<script>alert(1)</script>" + new_key()[:6]
        client.hello(name)
        other.hello(unique("Fay"))
        people = other.hear("people")["list"]
        assert name in [p["name"] for p in people]


def test_nobody_speaks_into_a_call_of_others(cluster, witness):
    with Wire(cluster.url()) as client:
        client.hello(unique("Eve"))
        assert client.refusal("send", room=witness.room, to=None, message={"type": "chat", "body": "boo"})
        assert client.refusal("update", room=witness.room, media=MEDIA)
        # Nor does its id open a call: Eve was not invited.
        assert client.refusal("join", room=witness.room, kind="call", topology="auto", media=MEDIA) == "not-allowed"


def test_a_flood_is_cut(cluster, witness):
    """10,000 messages in a second or so."""
    client = Wire(cluster.url())
    try:
        client.hello(unique("Eve"))
        sent = 0
        began = time.monotonic()
        try:
            for number in range(10_000):
                client.send_raw(json.dumps({"type": "ping", "id": number + 10}))
                sent += 1
        except Exception:  # noqa: BLE001 - cut already, as it should be
            pass
        took = time.monotonic() - began
        assert sent > 50, f"cut after {sent} messages"
        status, _ = client.hear_close()
        assert status == 1008, client.closed
        assert any(m["type"] == "error" and m["code"] == "flood" for m in client.other), (status, client.other)
        print(f"cut after at most {sent} messages in {took:.2f} s")
    finally:
        client.close()


def test_a_ping_is_answered_at_once(cluster):
    with Wire(cluster.url()) as client:
        client.hello(unique("Ann"))
        assert client.socket.ping().wait(5), "no pong came"


def ping_frame(body: bytes) -> bytes:
    return bytes([0x89, 0x80 | len(body)]) + b"\0\0\0\0" + body


def test_a_flood_of_pings_is_cut(cluster, witness):
    """Control frames cost what messages cost: each is answered."""
    client = Wire(cluster.url())
    try:
        client.hello(unique("Eve"))
        raw = client.socket.socket
        try:
            for _ in range(200):
                raw.sendall(ping_frame(b"x" * 125) * 50)
        except OSError:
            pass  # cut already
        status, _ = client.hear_close()
        assert status == 1008, client.closed
        assert any(m["type"] == "error" and m["code"] == "flood" for m in client.other), client.other
    finally:
        client.close()


def test_pages_asked_for_in_one_go_come_one_after_the_other(cluster):
    host, port = cluster.url().removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as plain:
        plain.settimeout(10)
        asked = [b"/"] * 15 + [b"/nothing"]
        plain.sendall(b"".join(b"HEAD %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in asked))
        said = b""
        while chunk := plain.recv(1 << 16):
            said += chunk
    assert said.count(b"HTTP/1.1 200 ") == 15 and said.count(b"HTTP/1.1 404 ") == 1, said[-2000:]


def test_pages_that_are_asked_for_and_not_read_cost_little(cluster, witness):
    """50 bytes ask for a page of 100 KB: of many asked for at once, signal holds one."""
    host, port = cluster.url().removeprefix("http://").split(":")
    signal = psutil.Process(cluster.service("signal-1").pid)
    before = signal.memory_info().rss
    opened: list[socket.socket] = []
    try:
        for _ in range(10):
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect((host, int(port)))
            plain.setblocking(False)
            opened.append(plain)
            wanted = b"GET /roost.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000
            try:
                while wanted:
                    wanted = wanted[plain.send(wanted) :]
            except BlockingIOError:
                pass  # signal reads no more
        grown = 0
        end = time.monotonic() + 3
        while time.monotonic() < end:
            grown = max(grown, signal.memory_info().rss - before)
            time.sleep(0.1)
        assert grown < 32 << 20, f"grown by {grown >> 20} MiB"
    finally:
        for plain in opened:
            plain.close()


def test_a_flood_of_new_sockets_is_refused_and_harms_nobody(cluster, witness):
    """Too many sockets from one address: the later ones are refused, and room is there again once the first are gone."""
    opened: list[socket.socket] = []
    host, port = cluster.url().removeprefix("http://").split(":")
    refused = 0
    try:
        for _ in range(600):
            plain = socket.create_connection((host, int(port)), 5)
            plain.settimeout(5)
            opened.append(plain)
            plain.sendall(
                b"GET /ws HTTP/1.1\r\nHost: localhost:%d\r\nOrigin: http://localhost:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: roost.1\r\n\r\n"
                % (int(port), int(port))
            )
            try:
                answer = plain.recv(4096)
            except (ConnectionError, TimeoutError):
                answer = b""
            if b" 101 " not in answer[:20] or b"too-many-sockets" in answer:
                refused += 1
                if refused > 5:
                    break
    finally:
        for plain in opened:
            plain.close()
    assert refused, f"{len(opened)} sockets from one address were all taken"

    def taken_again() -> bool:
        with Wire(cluster.url()) as client:
            client.hello(unique("Fay"))
            return True

    wait_until(taken_again, "a new socket is taken again", 30)


def test_a_reader_that_stops_reading_is_cut_and_the_rest_is_not_kept_waiting(cluster, witness):
    """Eve is in a call and reads nothing while Fay sends her as much as may be sent: Eve is told why she is cut, Fay that she left."""
    fay = Wire(cluster.url()).hello(unique("Fay"))
    eve = Wire(cluster.url()).hello(unique("Eve"))
    try:
        room = room_id()
        fay.ask("call", room=room, to=eve.session["person"], video=True, media=MEDIA)
        eve.hear("ring", room=room)
        eve.ask("join", room=room, kind="call", topology="auto", media=MEDIA)
        body = "x" * 50_000
        sent = 0
        end = time.monotonic() + 20
        while time.monotonic() < end and not any(m["type"] == "event" and m["kind"] == "left" for m in fay.heard):
            try:
                fay.ask("send", timeout=5, room=room, to=None, message={"type": "chat", "body": body})
                sent += len(body)
            except (Refused, NeverCame):
                time.sleep(0.2)
        assert fay.hear("event", room=room, kind="left")["reason"] == "gone"
        # What a session may keep for a client, and the sockets' buffers.
        assert sent < 24 << 20, f"cut after {sent >> 20} MiB"
        cut(eve, "slow-reader")
    finally:
        fay.close()
        eve.vanish()


def test_a_source_that_signs_in_and_drops_all_the_time_is_told_to_wait(monkeypatch):
    """Each hello leaves a session for half a minute: one address may not fill the table of all."""
    monkeypatch.setenv("ROOST_SOCKETS_PER_ADDRESS", "5")
    with Cluster() as cluster:
        codes = []
        for _ in range(40):
            client = Wire(cluster.url())
            try:
                client.hello(unique("Eve"))
                codes.append("ok")
            except Refused as refused:
                codes.append(refused.code)
            client.vanish()
        assert codes[:20] == ["ok"] * 20 and set(codes[25:]) >= {"too-many-sign-ins"}, codes

        def again() -> bool:
            with Wire(cluster.url()) as client:
                client.hello(unique("Fay"))
                return True

        wait_until(again, "somebody may sign in again", 20, every=0.5)


def test_a_broken_frame_and_half_a_handshake_harm_nobody(cluster, witness):
    host, port = cluster.url().removeprefix("http://").split(":")
    for said in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000, b"\x00" * 1000,
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ]:  # fmt: skip
        with socket.create_connection((host, int(port)), 5) as plain:
            plain.settimeout(3)
            try:
                plain.sendall(said)
                plain.recv(4096)
            except (ConnectionError, TimeoutError):
                pass
    client = Wire(cluster.url())
    raw = client.socket.socket
    # A frame that says it is 2^62 bytes long, and one that is not masked.
    raw.sendall(b"\x81\xff" + struct.pack("!Q", 1 << 62) + b"\x00" * 4)
    client.hear_close()
    client = Wire(cluster.url())
    client.socket.socket.sendall(b"\x81\x02{}")
    client.hear_close()


@pytest.mark.browser
def test_a_flood_is_not_noticed_by_people_in_a_call(person, cluster):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    for _ in range(3):
        client = Wire(cluster.url())
        client.hello(unique("Eve"))
        try:
            for number in range(10_000):
                client.send_raw('{"type": "update", "id": %d, "room": "c-x", "media": {}}' % (number + 10))
        except Exception:  # noqa: BLE001
            pass
        client.close()
    media_goes_on(ann, bob)
    assert ann.report()["connection"] == "open" and bob.report()["connection"] == "open"
    ann.click("Mute microphone")
    bob.report_where(lambda r: r["members"][0]["media"]["audio"] is False, "news still goes from one to the other")
