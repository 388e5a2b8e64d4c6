"""A start: what is said to be ready is ready."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from cluster import Cluster
from waiting import wait_until
from wire import Wire, room_id, unique

MEDIA = {"audio": True, "video": True, "screen": False}


def place_a_call(url: str, timeout: float) -> None:
    """Two people sign in, one calls, it rings, the other accepts: each answer at the first try."""
    with Wire(url) as ann, Wire(url) as bob:
        ann.hello(unique("Ann"))
        bob.hello(unique("Bob"))
        room = room_id()
        ann.ask("call", timeout=timeout, room=room, to=bob.session["person"], video=True, media=MEDIA)
        bob.hear("ring", timeout=timeout, room=room)
        bob.ask("join", timeout=timeout, room=room, kind="call", topology="auto", media=MEDIA)
        ann.hear("event", timeout=timeout, room=room, kind="joined")


def reasons(cluster: Cluster, id: str) -> dict[str, str]:
    """The conditions that a service says are not met; empty while it does not answer yet."""
    try:
        address = (cluster.run / f"{id}.admin").read_text().strip()
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=2) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    except (OSError, ValueError):
        return {}
    return {name: reason for name, reason in json.loads(body)["conditions"].items() if reason}


def start(cluster: Cluster, placement: list[str]) -> float:
    """Starts it; gives back the seconds until the URL was printed, and notes what the registry said of placement meanwhile."""
    with open(cluster.output, "ab") as output:
        began = time.monotonic()
        cluster.process = subprocess.Popen(
            cluster.arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )

    def is_up() -> bool:
        said = reasons(cluster, "registry-1").get("placement")
        if said and said not in placement:
            placement.append(said)
        return "Roost is up" in cluster.output.read_text()

    wait_until(is_up, "the URL is printed", 30, every=0.02, seen=cluster.describe)
    cluster.notice()
    return time.monotonic() - began


def test_a_call_can_be_placed_the_moment_the_url_is_printed():
    cluster = Cluster()
    try:
        took = start(cluster, [])
        place_a_call(cluster.url(), timeout=1.0)
        print(f"up after {took:.2f} s")
        assert reasons(cluster, "registry-1") == {}
        assert cluster.is_whole()
    finally:
        cluster.stop()


def test_with_a_redis_of_others_it_says_that_it_waits_and_then_can_place():
    """Who knows no nodes waits for a lease: /readyz and the URL say so, instead of a first call that fails."""
    folder = Path(tempfile.mkdtemp(prefix="roost-r-", dir="/tmp"))
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--save", "", "--appendonly", "no", "--dir", str(folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    cluster = Cluster(extra=("--external-redis", f"unix://{folder}/redis.sock"))
    try:
        wait_until((folder / "redis.sock").exists, "Redis listens", 10)
        placement: list[str] = []
        took = start(cluster, placement)
        place_a_call(cluster.url(), timeout=1.0)
        assert any("nothing is placed yet" in said for said in placement), placement
        assert 2.5 < took < 15, f"up after {took:.2f} s"
    finally:
        cluster.stop()
        redis.kill()
        redis.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
