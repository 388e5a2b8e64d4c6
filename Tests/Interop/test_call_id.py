"""One id for a call in the logs of all services that have to do with it."""

import json

from cluster import Cluster
from wire import Wire, room_id, unique

MEDIA = {"audio": True, "video": True, "screen": False}


def lines(cluster: Cluster, kind: str) -> list[dict]:
    """What the services of a kind logged, each line an object."""
    return [json.loads(line) for file in sorted(cluster.run.glob(f"{kind}-*.log")) for line in file.read_text().splitlines()]


def test_one_id_is_in_the_logs_of_signal_registry_and_sfu_node(monkeypatch):
    monkeypatch.setenv("ROOST_LOG_FORMAT", "json")
    with Cluster(extra=("--log-level", "debug")) as cluster, Wire(cluster.url()) as ann, Wire(cluster.url()) as bob:
        ann.hello(unique("Ann"))
        bob.hello(unique("Bob"))
        rooms = [room_id(), room_id()]
        for room in rooms:
            ann.ask("call", room=room, to=bob.session["person"], video=True, media=MEDIA)
            bob.hear("ring", room=room)
            bob.ask("join", room=room, kind="call", topology="auto", media=MEDIA)
            ann.hear("event", room=room, kind="joined")
            ann.ask("leave", room=room)
            bob.hear("event", room=room, kind="ended")
        for kind, message in (("signal", "a request"), ("registry", "a room has its place"), ("sfu", "a member joined")):
            said = lines(cluster, kind)
            for room in rooms:
                of_call = [line for line in said if line.get("call-id") == room]
                assert message in [line["message"] for line in of_call], (kind, of_call)
            # A line of a room bears its own call's id, not another's.
            assert all(line["call-id"] == line["room"] for line in said if line.get("room") in rooms and "call-id" in line)
