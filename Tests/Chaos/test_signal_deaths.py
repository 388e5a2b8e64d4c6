"""A signal dies, or is asked to end, while people speak: every word arrives once, in order, and nobody sees a leave."""

import os
import signal
import time

import pytest
from websockets.exceptions import ConnectionClosed

from cluster import Cluster
from waiting import NeverCame, wait_until
from wire import Refused, Wire, room_id, unique

MEDIA = {"audio": True, "video": True, "screen": False}
WORDS = 80


@pytest.fixture(scope="module")
def signals() -> int:
    return 2


class Speaker:
    """A client that does what a page does: comes back to whichever signal answers, and says again what had no answer."""

    def __init__(self, urls: list[str], name: str):
        self.urls = urls
        self.wire = Wire(urls[0]).hello(unique(name))
        self.room: dict = {}
        self.open: dict[int, dict] = {}
        self.words: list = []
        self.others: list[dict] = []
        self.returns = 0

    def say(self, number: int) -> None:
        self.wire.count += 1
        message = {"type": "send", "id": self.wire.count, "room": self.room["room"], "to": None, "message": {"type": "chat", "body": number}}
        self.open[message["id"]] = message
        self.wire.send_quietly(message)

    def listen(self, seconds: float) -> None:
        """Hears what comes within `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.wire.closed is not None:
                self.come_back()
            self.wire.pump(end - time.monotonic())
            for id in [id for id in self.open if id in self.wire.answers]:
                answer = self.wire.answers[id]
                assert answer["type"] == "ok", f"a word was refused: {answer}"
                del self.open[id]
            while self.wire.heard:
                self.take(self.wire.heard.pop(0))

    def take(self, message: dict) -> None:
        if message["type"] == "room":
            self.room = message["state"]
        if message["type"] != "event" or message["room"] != self.room["room"]:
            return
        self.room["seq"] = message["n"]
        if message["kind"] == "message":
            self.words.append(message["message"]["body"])
        else:
            self.others.append(message)

    def come_back(self) -> None:
        last = self.wire
        while True:
            for url in self.urls:
                try:
                    new = Wire(url)
                except (OSError, TimeoutError, ConnectionClosed):
                    continue
                except Exception:  # noqa: BLE001 - a handshake that was cut
                    continue
                new.answers = dict(last.answers)
                try:
                    new.resume(last, rooms=[{key: self.room[key] for key in ("room", "epoch", "seq")}])
                except (Refused, NeverCame) as trouble:
                    assert getattr(trouble, "code", "unavailable") == "unavailable", trouble
                    last.seq = new.seq
                    new.close()
                    continue
                self.wire = new
                self.returns += 1
                for message in self.open.values():
                    new.send_quietly(message)
                return
            time.sleep(0.05)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_every_word_arrives_once_and_nobody_leaves_though_a_signal_goes(cluster, how):
    ann = Speaker([cluster.url(1), cluster.url(2)], "Ann")
    bob = Speaker([cluster.url(2)], "Bob")
    room = room_id()
    ann.room = ann.wire.ask("call", room=room, to=bob.wire.session["person"], video=True, media=MEDIA)["room"]
    bob.wire.hear("ring", room=room)
    bob.room = bob.wire.ask("join", room=room, kind="call", topology="auto", media=MEDIA)["room"]
    old = None
    for number in range(WORDS):
        if number == WORDS // 2:
            old = cluster.kill("signal-1", how)
        # Below what a member may say; both ways, so that words are on their way in each when it happens.
        ann.say(number)
        bob.say(number)
        ann.listen(0.02)
        bob.listen(0.02)

    def all_said() -> bool:
        ann.listen(0.1)
        bob.listen(0.1)
        return len(ann.words) >= WORDS and len(bob.words) >= WORDS and not ann.open and not bob.open

    wait_until(all_said, "every word was heard and answered", 20, seen=lambda: (ann.words, bob.words, ann.open, bob.open))
    for each in (ann, bob):
        each.listen(1)
        assert each.words == list(range(WORDS))
        assert not [e for e in each.others if e["kind"] in ("left", "ended")], each.others
    assert ann.returns >= 1 and bob.returns == 0
    for each in (ann, bob):
        each.wire.close()
    cluster.wait_restarted("signal-1", old)
    cluster.wait_whole(20)


@pytest.mark.timeout(120)
def test_a_registry_that_hangs_costs_no_node():
    """Frozen, it holds its connections and answers nothing: its nodes go to the other one before their leases end."""
    with Cluster(registries=2) as cluster, Wire(cluster.url()) as ann, Wire(cluster.url()) as bob:
        ann.hello(unique("Ann"))
        bob.hello(unique("Bob"))
        room = room_id()
        ann.ask("call", room=room, to=bob.session["person"], video=True, media=MEDIA)
        bob.hear("ring", room=room)
        bob.ask("join", room=room, kind="call", topology="auto", media=MEDIA)
        ann.hear("event", room=room, kind="joined")
        # Both nodes are at the first: it is tried first.
        frozen = cluster.service("registry-1").pid
        os.kill(frozen, signal.SIGSTOP)
        try:
            end = time.monotonic() + 8
            while time.monotonic() < end:
                _, metrics = cluster.admin("registry-2", "/metrics")
                nodes = [line.split() for line in metrics.splitlines() if line.startswith("roost_registry_nodes{")]
                gone = [line for line, count in nodes if 'state="gone"' in line and float(count) > 0]
                assert nodes and not gone, gone
                ann.pump(0.1)
            log = (cluster.run / "registry-2.log").read_text()
            # Two sfu-nodes and a turn server.
            assert log.count("a node attached") >= 3, log
        finally:
            os.kill(frozen, signal.SIGCONT)
        assert not [m for m in ann.heard if m["type"] == "room"], ann.heard
        assert ann.ask("send", room=room, to=None, message={"type": "chat", "body": 1})["seq"]
        bob.hear("event", room=room, kind="message")


@pytest.mark.timeout(60)
def test_a_join_that_is_under_way_where_a_session_was_does_not_undo_the_one_where_it_is(wire, cluster):
    """The node is slow; Ann's socket drops, she resumes at the other signal, and asks again there. The first one's join comes late."""
    bob = wire("Bob", on=2)
    room = unique("r").replace(" ", "-")
    node = bob.ask("join", room=room, kind="room", topology="auto", media=MEDIA)["room"]["node"]
    ann = wire("Ann", on=1)
    pid = cluster.service(node).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        asked = ann.start("join", room=room, kind="room", topology="auto", media=MEDIA)
        ann.hears_no("room", 0.3)
        ann.vanish()
        back = wire(on=2)
        back.resume(ann, rooms=[])
        back.send({"type": "join", "id": asked, "room": room, "kind": "room", "topology": "auto", "media": MEDIA})
        back.hears_no("room", 0.3)
    finally:
        os.kill(pid, signal.SIGCONT)
    member = back.answer(asked)["self"]
    assert bob.hear("event", room=room, kind="joined")["member"]["member"] == member
    bob.hears_no("event", 2, room=room, kind="left")
    assert back.ask("send", room=room, to=None, message={"type": "chat", "body": 1})["seq"]
