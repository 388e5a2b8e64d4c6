"""kill -9 of each service during a call: media goes on, roost restarts it, and within seconds the page is whole and a new call works."""

import os
import signal
import subprocess
import time

import psutil
import pytest

from calls import call, connected, idle, media_goes_on, sees_picture
from cluster import BUILD, ROOT, Cluster, free_ports
from waiting import stays_true, wait_until
from wire import Wire, new_key, room_id, unique

# From the death to a whole page, and to a new call that stands.
WHOLE_AGAIN = 5.0
# Pictures come 20 times a second; two browsers that encode video on 2 cores, beside programs that start, miss some of them.
LONGEST_STILL = 2.0

# Notes when frames are shown in the other's tile: media that stopped for a while cannot hide behind a counter that grew later.
WATCH_FRAMES = """
const video = document.querySelector('[data-testid=tile] video');
const seen = (window.framesSeen = { longest: 0, last: performance.now(), count: 0 });
const shown = () => {
    const now = performance.now();
    seen.longest = Math.max(seen.longest, now - seen.last);
    seen.last = now;
    seen.count += 1;
    video.requestVideoFrameCallback(shown);
};
video.requestVideoFrameCallback(shown);
return true;
"""


def longest_still(tab) -> float:
    """The longest time without a new picture since `WATCH_FRAMES`, in seconds."""
    seen = tab.run("return {...window.framesSeen, now: performance.now()}")
    assert seen["count"] > 0, "no picture was shown at all"
    return max(seen["longest"], seen["now"] - seen["last"]) / 1000


def is_whole(cluster, victim: str, old: int, tabs) -> bool:
    """The victim runs again, every service is ready, and both pages are connected and signed in."""
    if cluster.service(victim).pid == old or not cluster.is_whole():
        return False
    return all(r["connection"] == "open" and r["state"] == "signed-in" for r in (tab.report() for tab in tabs))


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("victim", "how"),
    [(victim, signal.SIGKILL) for victim in ("signal-1", "registry-1", "sfu", "turn-1", "redis")]
    + [(victim, signal.SIGTERM) for victim in ("signal-1", "registry-1", "sfu", "turn-1")],
    ids=lambda value: {signal.SIGKILL: "kill", signal.SIGTERM: "term"}.get(value, value),
)
def test_a_call_outlives_a_death_and_the_next_call_works(person, cluster, victim, how):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    sees_picture(bob)
    if victim == "sfu":
        victim = ann.report()["node"]
    for tab in (ann, bob):
        tab.run(WATCH_FRAMES)

    old = cluster.kill(victim, how)
    died = time.monotonic()
    wait_until(lambda: is_whole(cluster, victim, old, (ann, bob)), "everything is whole again", 20, seen=cluster.describe)
    whole = time.monotonic() - died
    # The call is still there, with pictures all the while, and can be ended as any other.
    still = max(longest_still(ann), longest_still(bob))
    for tab in (ann, bob):
        assert tab.report()["call"]["state"] == "connected"
    ann.run("window.roost.hangUp(); return true")
    for tab in (ann, bob):
        tab.report_where(lambda r: r["call"] is None, "the call is over")
    # By script, as quick as people cannot be: the time is the cluster's.
    bob.run("void window.roost.call(arguments[0]).catch(() => {}); return true", ann.name)
    ann.report_where(lambda r: r["call"] and r["call"]["state"] == "ringing", "the next call rings")
    rings = time.monotonic() - died
    ann.run("await window.roost.accept(); return true")
    connected(ann)
    connected(bob)
    stands = time.monotonic() - died
    print(
        f"{victim}: whole again after {whole:.1f} s, the next call rang after {rings:.1f} s and stood after {stands:.1f} s; "
        f"longest time without a new picture {still:.2f} s"
    )
    sees_picture(bob)
    assert whole < WHOLE_AGAIN, f"{victim}: whole again only after {whole:.1f} s"
    assert stands < WHOLE_AGAIN, f"{victim}: the next call stood only after {stands:.1f} s (whole after {whole:.1f} s)"
    assert still < LONGEST_STILL, f"{victim}: no new picture for {still:.1f} s"


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_media_goes_on_long_after_a_death(person, cluster):
    """What a death takes away later (a lease, a time limit, a consent check) shows only after a while."""
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    for id in ("registry-1", ann.report()["node"]):
        old = cluster.kill(id)
        cluster.wait_restarted(id, old)
    # Longer than a lease (3 s), the wait for absent members (10 s) and a member's own return.
    stays_true(lambda: all(t.report()["call"]["state"] == "connected" for t in (ann, bob)), "the call goes on", 15, every=0.5)
    media_goes_on(ann, bob)
    ann.click("Hang up")
    bob.sees(f"{ann.name} hung up")
    idle(ann)
    idle(bob)


@pytest.mark.parametrize("victim", ["signal-1", "registry-1", "sfu-1", "turn-1", "redis"])
def test_within_five_seconds_of_a_death_a_call_can_be_placed(wire, cluster, victim):
    """The same without browsers, so that the figure is the cluster's alone."""
    if victim == "redis":
        victim = next(s.id for s in cluster.services() if s.kind == "redis" or s.id.startswith("redis"))
    cluster.kill(victim)
    died = time.monotonic()

    def placed() -> bool:
        ann = Wire(cluster.url())
        bob = Wire(cluster.url())
        try:
            number = os.urandom(3).hex()
            ann.hello(f"Ann {number}", new_key())
            bob.hello(f"Bob {number}", new_key())
            room = room_id()
            media = {"audio": True, "video": True, "screen": False}
            ann.ask("call", timeout=2, room=room, to=bob.session["person"], video=True, media=media)
            bob.hear("ring", timeout=2, room=room)
            bob.ask("join", timeout=2, room=room, kind="call", topology="auto", media=media)
            return bool(ann.hear("event", timeout=2, room=room, kind="joined"))
        finally:
            ann.close()
            bob.close()

    wait_until(placed, "a call is placed", 30, every=0.1, seen=cluster.describe)
    took = time.monotonic() - died
    assert took < WHOLE_AGAIN, f"a call could be placed only {took:.1f} s after the death of {victim}"
    cluster.wait_whole(20)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_every_message_arrives_once_and_in_order_though_the_rooms_node_dies(wire, cluster, how):
    """A message whose answer died with the node is said again to the next one: that may not be heard."""
    ann, bob = wire("Ann"), wire("Bob")
    room = room_id()
    media = {"audio": True, "video": True, "screen": False}
    state = ann.ask("call", room=room, to=bob.session["person"], video=True, media=media)["room"]
    bob.hear("ring", room=room)
    bob.ask("join", room=room, kind="call", topology="auto", media=media)
    ann.hear("event", room=room, kind="joined")
    asked = []
    for number in range(120):
        if number in (40, 80):
            cluster.kill(state["node"], how)
        # Several on their way at once, as candidates are; below what a member may send (50 a second).
        asked.append(ann.start("send", room=room, to=None, message={"type": "chat", "body": number}))
        time.sleep(0.03)
        if number == 60:
            state = wait_until(lambda: (ann.pump(0.05), ann.hear("room", timeout=5)["state"])[1], "the room is told anew")
    for id in asked:
        ann.answer(id)

    heard = []
    while not heard or heard[-1] != 119:
        event = bob.hear("event", room=room)
        assert event["kind"] != "left" and event["kind"] != "ended", event
        if event["kind"] == "message":
            heard.append(event["message"]["body"])
    assert heard == list(range(120))
    bob.hears_no("event", 1.0, room=room, kind="message")
    cluster.wait_whole(20)


@pytest.mark.timeout(150)
def test_who_does_not_come_back_after_a_signals_death_has_left(wire, cluster):
    """Ann resumes at the signal that came back; Bob's page was closed meanwhile. Her being there is not his."""
    ann, bob, carl = wire("Ann"), wire("Bob"), wire("Carl")
    room = unique("r").replace(" ", "-")
    media = {"audio": True, "video": True, "screen": False}
    for member in (ann, bob, carl):
        member.ask("join", room=room, kind="room", topology="auto", media=media)
    gone = ann.hear("event", room=room, kind="joined")["member"]["member"]
    old = cluster.kill("signal-1")
    for member in (bob, carl):
        member.vanish()
    cluster.wait_restarted("signal-1", old)
    back, also = Wire(cluster.url()), Wire(cluster.url())
    try:
        back.resume(ann)
        also.resume(carl)
        # 3 s hidden, 28 s from his death in which he might come back.
        def left() -> bool:
            back.send({"type": "ping", "id": 10_000})
            back.pump(1)
            return any(m["type"] == "event" and m["kind"] == "left" for m in back.heard)

        wait_until(left, "Bob has left", 45)
        leavers = [m["member"] for m in back.heard if m["type"] == "event" and m["kind"] == "left"]
        assert leavers == [gone], back.heard
    finally:
        back.close()
        also.close()


def test_health_speaks_of_the_process_and_readiness_of_what_it_needs(cluster):
    redis = next(s.id for s in cluster.services() if s.kind == "redis" or s.id.startswith("redis"))
    old = cluster.service(redis).pid
    os.kill(old, signal.SIGSTOP)
    try:

        def says_so() -> bool:
            status, body = cluster.admin("registry-1", "/readyz")
            return status == 503 and "redis" in body.lower()

        wait_until(says_so, "the registry is not ready, for want of Redis", seen=lambda: cluster.admin("registry-1", "/readyz"))
        for service in cluster.services():
            if service.admin:
                assert cluster.admin(service.id, "/healthz")[0] == 200, service.id
    finally:
        os.kill(old, signal.SIGCONT)
    cluster.wait_whole(30)


def test_metrics_are_there_for_each_service(cluster):
    for service in cluster.services():
        if service.admin:
            status, body = cluster.admin(service.id, "/metrics")
            assert status == 200 and "# TYPE roost_" in body, service.id


def ends(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=["kill", "term", "int"])
def test_all_children_end_with_roost(how):
    with Cluster() as cluster:
        cluster.notice()
        children = list(cluster.known)
        assert len(children) >= 6
        os.kill(cluster.process.pid, how)
        cluster.process.wait(20)
        for pid in children:
            wait_until(lambda: ends(pid), f"process {pid} has ended", 10)


def test_sigterm_ends_with_zero_and_leaves_no_sockets():
    with Cluster() as cluster:
        cluster.process.send_signal(signal.SIGTERM)
        assert cluster.process.wait(20) == 0, cluster.describe()
        assert list(cluster.run.glob("*.sock")) == []


def roost_up(*arguments: str, run: str, timeout: float = 30) -> tuple[int, str]:
    done = subprocess.run(
        [str(BUILD / "roost"), "up", "--run-dir", run, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("which", ["--http-port", "--https-port", "--turn-port"])
def test_an_occupied_port_is_named(tmp_path_factory, which):
    import socket
    import tempfile

    first = free_ports(3)
    ports = {"--http-port": first, "--https-port": first + 1, "--turn-port": first + 2}
    kind = socket.SOCK_DGRAM if which == "--turn-port" else socket.SOCK_STREAM
    host = "127.0.0.1" if which == "--http-port" else "0.0.0.0"
    with socket.socket(socket.AF_INET, kind) as taken, tempfile.TemporaryDirectory(prefix="roost-t-", dir="/tmp") as run:
        taken.bind((host, ports[which]))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        status, said = roost_up(*(word for key, value in ports.items() for word in (key, str(value))), run=run)
    assert status != 0
    assert str(ports[which]) in said and which.removeprefix("--") in said, said


def test_an_unusable_run_folder_is_named():
    import tempfile

    with tempfile.NamedTemporaryFile(prefix="roost-t-", dir="/tmp") as file:
        status, said = roost_up(run=f"{file.name}/run")
    assert status != 0 and file.name in said, said
