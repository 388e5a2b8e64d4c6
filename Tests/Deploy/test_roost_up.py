"""What `roost up` promises, with stand-ins for the services and a real Redis."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from cluster import BUILD, ROOT, Cluster
from waiting import wait_until

HERE = Path(__file__).resolve().parent


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with a stand-in under each service's name."""
    for name in ("registry", "sfu-node", "turn", "signal"):
        shutil.copy(HERE / "fake_service.py", tmp_path / name)
    return tmp_path


@pytest.fixture
def up(programs: Path):
    made = []

    def make(*extra: str, **counts: int) -> Cluster:
        cluster = Cluster(extra=("--programs", str(programs), "--web-root", str(HERE), *extra), **counts)
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        cluster.stop()


def refusal(cluster: Cluster, **environment: str) -> str:
    """Starts it, expecting that it ends by itself with an error; gives back what it said."""
    ended = subprocess.run(
        cluster.arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    assert ended.returncode not in (0, 64), ended.stdout + ended.stderr
    return ended.stderr


def test_it_starts_everything_and_prints_one_url(up) -> None:
    cluster = up(nodes=3, signals=2)

    cluster.start()

    wait_until(lambda: f"Roost is up: {cluster.url()}\n" in cluster.output.read_text(), "the URL is printed", 10)
    assert [s.id for s in cluster.services()] == [
        "redis", "registry-1", "sfu-1", "sfu-2", "sfu-3", "turn-1", "signal-1", "signal-2",
    ]  # fmt: skip
    assert cluster.state()["url"] == cluster.url()
    assert all(s.state == "ready" for s in cluster.services())


def test_redis_listens_on_a_private_socket_and_on_no_port(up) -> None:
    cluster = up()
    cluster.start()

    redis = psutil.Process(cluster.service("redis").pid)

    assert not redis.net_connections("inet")
    assert (cluster.run / "redis.sock").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("id", ["redis", "registry-1", "sfu-2", "turn-1", "signal-1"])
def test_what_dies_is_back_within_five_seconds(up, id: str) -> None:
    cluster = up()
    cluster.start()

    old = cluster.kill(id)

    cluster.wait_restarted(id, old, timeout=5)
    assert cluster.service(id).restarts == 1
    assert sum(s.restarts for s in cluster.services()) == 1


def test_what_dies_again_and_again_waits_longer_each_time_and_the_others_live_on(up) -> None:
    cluster = up()
    cluster.start()
    waits = []
    for restarts in range(1, 6):
        old = cluster.kill("turn-1")
        killed = time.monotonic()
        wait_until(lambda: cluster.service("turn-1").pid not in (0, old), "it is started again", 8, every=0.02, seen=cluster.describe)
        waits.append(time.monotonic() - killed)
        assert cluster.service("turn-1").restarts == restarts

    for wait, expected in zip(waits, (0.2, 0.5, 1, 2, 2)):
        assert expected <= wait + 0.05 < expected + 1, waits
    cluster.wait_whole(10)
    assert sum(s.restarts for s in cluster.services()) == 5


def test_sigterm_ends_all_in_order(up) -> None:
    cluster = up()
    cluster.start()

    cluster.process.send_signal(signal.SIGTERM)

    assert cluster.process.wait(20) == 0
    assert cluster.alive() == []
    ends = [line.split("-")[0] for line in (cluster.run / "ends.txt").read_text().split()]
    assert ends == ["signal", "turn", "sfu", "sfu", "registry"]
    assert [s.state for s in cluster.services()] == ["stopped"] * 6


def test_a_killed_roost_takes_everything_with_it_and_can_start_again(up) -> None:
    cluster = up()
    cluster.start()

    cluster.process.kill()
    cluster.process.wait()

    wait_until(lambda: cluster.alive() == [], "all processes are gone", 10)
    cluster.start()
    assert all(s.restarts == 0 for s in cluster.services())


def test_an_occupied_port_is_named_with_its_flag(up) -> None:
    cluster = up()
    with socket.socket() as other:
        other.bind(("127.0.0.1", cluster.http_port))
        other.listen()

        said = refusal(cluster)

    assert f"tcp port {cluster.http_port}, wanted by signal-1, is occupied" in said
    assert "--http-port" in said


def test_an_occupied_udp_port_is_named_with_its_flag(up) -> None:
    cluster = up()
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", cluster.turn_port))

        said = refusal(cluster)

    assert f"udp port {cluster.turn_port}, wanted by turn-1, is occupied" in said
    assert "--turn-port" in said


def test_a_missing_redis_is_named(up) -> None:
    said = refusal(up(), PATH="/nowhere")

    assert "redis-server is not on the PATH" in said
    assert "apt-get install redis-server" in said


def test_an_unwritable_run_folder_is_named(up) -> None:
    # A file in the way stops even root, whom permissions do not.
    cluster = up()
    in_the_way = cluster.run / "file"
    in_the_way.write_text("")
    cluster.arguments[cluster.arguments.index("--run-dir") + 1] = str(in_the_way / "run")

    said = refusal(cluster)

    assert f"cannot write run folder {in_the_way}/run: not a directory" in said


def test_a_second_roost_in_one_run_folder_is_refused(up) -> None:
    cluster = up()
    cluster.start()

    said = refusal(cluster)

    assert f"already runs in {cluster.run} (process {cluster.process.pid})" in said
    assert cluster.is_whole()


def test_a_refused_setting_ends_the_start_with_the_log(up) -> None:
    cluster = up()

    said = refusal(cluster, ROOST_FAKE_REFUSES="turn-1")

    assert "turn-1 does not start: it ended with code 64" in said
    assert "bad value for colour (from flag --colour): expected blue." in said


def test_a_deep_run_folder_gets_short_sockets(up, tmp_path: Path) -> None:
    cluster = up()
    deep = tmp_path / ("d" * 100)
    cluster.arguments[cluster.arguments.index("--run-dir") + 1] = str(deep)
    cluster.run, fresh = deep, cluster.run
    try:
        deep.mkdir()
        cluster.start()
        redis = psutil.Process(cluster.service("redis").pid).cmdline()
    finally:
        cluster.stop()
        shutil.rmtree(fresh, ignore_errors=True)

    # Redis shows its socket in its process title.
    assert f"/tmp/roost-{os.getuid()}-" in " ".join(redis)


def test_doctor_says_what_is_wrong(up) -> None:
    cluster = up()
    arguments = ["doctor", *cluster.arguments[2:]]

    well = subprocess.run([BUILD / "roost", *arguments], cwd=ROOT, capture_output=True, text=True)
    ill = subprocess.run([BUILD / "roost", *arguments, "--programs", "/nowhere"], cwd=ROOT, capture_output=True, text=True)

    assert (well.returncode, well.stderr) == (0, "")
    assert "All is well" in well.stdout
    assert ill.returncode != 0
