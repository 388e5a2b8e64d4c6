"""What every service promises an operator, each program alone: configuration, health, logs, signals, errors."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import BUILD, ROOT, free_ports
from waiting import wait_until

KINDS = ["registry", "sfu-node", "turn", "signal"]


def arguments(kind: str, run: Path) -> list[str]:
    """Flags with which a service starts though nothing that it needs is there."""
    flags = ["--id", f"{kind}-9", "--run-dir", str(run), "--drain-timeout", "3s"]
    if kind in ("registry", "signal"):
        flags += ["--redis", f"unix://{run}/redis.sock"]
    if kind != "registry":
        flags += ["--registry", f"unix:{run}/registry-1.sock"]
    if kind == "turn":
        flags += ["--listen", f"127.0.0.1:{free_ports(1)}"]
    if kind == "signal":
        port = free_ports(2)
        flags += ["--http-listen", f"127.0.0.1:{port}", "--https-listen", f"127.0.0.1:{port + 1}"]
        flags += ["--web-root", str(ROOT / "Services" / "signal" / "Web")]
    return flags


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def run() -> Iterator[Path]:
    # Short: Unix socket paths may have 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="roost-s-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start(run: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    made: list[subprocess.Popen] = []

    def begin(kind: str, *extra: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
        process = subprocess.Popen(
            [*prefix, BUILD / kind, *arguments(kind, run), *extra], cwd=run, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        made.append(process)
        wait_until(lambda: process.poll() is not None or (run / f"{kind}-9.admin").exists(), f"{kind} starts", 20)
        return process

    yield begin
    for process in made:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def refusal(kind: str, run: Path, *extra: str, code: int, **environment: str) -> str:
    flags = arguments(kind, run)
    for flag in extra:
        if flag in flags:
            del flags[flags.index(flag) : flags.index(flag) + 2]
    ended = subprocess.run(
        [BUILD / kind, *flags, *extra], capture_output=True, text=True, timeout=30, cwd=run,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    return ended.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_help_names_the_keys(kind: str) -> None:
    said = subprocess.run([BUILD / kind, "--help"], capture_output=True, text=True, check=True, timeout=30).stdout

    for key in ("--config", "--check", "--run-dir", "--admin-listen", "--log-level"):
        assert key in said


@pytest.mark.parametrize("kind", KINDS)
def test_check_validates_and_exits(kind: str, run: Path) -> None:
    good = subprocess.run([BUILD / kind, *arguments(kind, run), "--check"], capture_output=True, text=True, timeout=30)

    assert (good.returncode, good.stdout) == (0, f"{kind}: the configuration is valid.\n")
    assert list(run.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "flags", "words"),
    [
        ("signal", ["--redis", "nowhere"], "--redis: expected redis://HOST:PORT/DB"),
        ("signal", ["--registry", "tcp:9"], "bus address 'tcp:9' has an unknown scheme"),
        ("signal", ["--certificate", "/nowhere.pem"], "--certificate is of no use without --private-key"),
        ("signal", ["--private-key", "/nowhere.pem"], "--private-key is of no use without --certificate"),
        ("signal", ["--certificate", "/nowhere.pem", "--private-key", "/nowhere.pem"], "cannot use the certificate /nowhere.pem"),
        ("signal", ["--web-root", "/nowhere"], "--web-root: cannot read /nowhere/index.html"),
        ("registry", ["--turn-secret-file", "/nowhere"], "/nowhere"),
        ("registry", ["--bus-listen", "unix:"], "bus address 'unix:' has no path"),
        ("turn", ["--secret-file", "/nowhere"], "/nowhere"),
        ("turn", ["--certificate", "/nowhere.pem"], "--certificate and --private-key belong together"),
        ("sfu-node", ["--bus-listen", "unix:"], "bus address 'unix:' has no path"),
        ("sfu-node", ["--id", "../elsewhere"], "expected 1 to 64 of A-Z a-z 0-9 - _ . and no dot first"),
        ("turn", ["--users-file", "/dev/null"], "/dev/null has no user"),
    ],
)  # fmt: skip
def test_what_could_not_start_is_not_called_valid(kind: str, flags: list[str], words: str, run: Path) -> None:
    for extra in ([], ["--check"]):
        said = refusal(kind, run, *flags, *extra, code=64)
        assert words in said
        assert f"{kind}: {kind}:" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_all_wrong_settings_are_named_with_key_and_source(kind: str, run: Path) -> None:
    said = refusal(kind, run, "--colour", "blue", "--log-format", "verse", code=64, ROOST_LOG_LEVEL="loud")

    assert said.splitlines() == [
        f"{kind}: unknown flag --colour. See --help for the flags.",
        f'{kind}: bad value for log-format (from flag --log-format): "verse": expected one of human, json.',
        f"{kind}: bad value for log-level (from environment ROOST_LOG_LEVEL): "
        '"loud": expected one of trace, debug, info, warning, error.',
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_lives_without_redis_and_registry_and_says_what_it_waits_for(kind: str, run: Path, start) -> None:
    process = start(kind)
    assert process.poll() is None, process.communicate()[1]
    admin = (run / f"{kind}-9.admin").read_text().strip()

    assert get(admin, "/healthz") == (200, "ok\n")
    status, body = get(admin, "/readyz")
    assert status == 503
    reasons = {name: reason for name, reason in json.loads(body)["conditions"].items() if reason is not None}
    assert reasons and all(len(reason) > 5 for reason in reasons.values())
    status, metrics = get(admin, "/metrics")
    assert status == 200
    assert f'roost_service_info{{kind="{kind}",id="{kind}-9"}} 1\n' in metrics


@pytest.mark.parametrize("kind", KINDS)
def test_sigterm_ends_it_cleanly(kind: str, run: Path, start) -> None:
    process = start(kind)

    process.send_signal(signal.SIGTERM)

    _, said = process.communicate(timeout=15)
    assert process.returncode == 0, said
    assert "draining" in said
    assert not (run / f"{kind}-9.admin").exists()
    assert not (run / f"{kind}-9.sock").exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_during_the_start_ends_it_in_order(kind: str, how: int, run: Path) -> None:
    """As soon as there is anything to leave behind (the locked process file), nothing is left behind."""
    for number in range(3):
        folder = run / str(number)
        folder.mkdir()
        process = subprocess.Popen(
            [BUILD / kind, *arguments(kind, folder)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until((folder / f"{kind}-9.pid").exists, "the process file", 10, every=0)
            process.send_signal(how)
            _, said = process.communicate(timeout=10)
        finally:
            process.kill()
        assert process.returncode == 0, said
        assert "stopped" in said
        assert [path.name for path in folder.iterdir() if path.suffix in (".sock", ".admin")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_sighup_opens_the_log_anew(kind: str, run: Path, start) -> None:
    log, moved = run / "log", run / "log.1"
    process = start(kind, "--log-file", str(log), "--log-format", "json")
    wait_until(lambda: "started" in log.read_text(), "the start is logged", 20)
    log.rename(moved)

    process.send_signal(signal.SIGHUP)

    wait_until(lambda: "reloaded" in log.read_text(), "the new file is written", 20)
    assert all(json.loads(line)["instance"] == f"{kind}-9" for line in moved.read_text().splitlines())


def test_signal_serves_its_page_without_any_privilege(run: Path, start) -> None:
    """As under systemd and in a container: no capability, whoever runs the tests."""
    bare = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all") if os.geteuid() == 0 else ()
    process = start("signal", prefix=bare)
    assert process.poll() is None, process.stderr.read()

    address = process.args[process.args.index("--http-listen") + 1]
    assert "<title>" in wait_until(lambda: get(address, "/")[1], "the page", 20)


@pytest.mark.parametrize("kind", KINDS)
def test_an_occupied_admin_port_is_named(kind: str, run: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"

        said = refusal(kind, run, "--admin-listen", address, code=1)

    assert f"{kind}: cannot bind tcp {address}: address in use." in said
    assert "--admin-listen" in said


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_id_twice_is_refused(kind: str, run: Path, start) -> None:
    process = start(kind)

    said = refusal(kind, run, code=1)

    assert f"{kind}-9 already runs in {run} (process {process.pid})" in said


@pytest.mark.parametrize(("flag", "transport"), [("listen", "udp"), ("http-listen", "tcp"), ("https-listen", "tcp")])
def test_an_occupied_service_port_is_named(flag: str, transport: str, run: Path) -> None:
    kind = "turn" if flag == "listen" else "signal"
    flags = arguments(kind, run)
    address = flags[flags.index(f"--{flag}") + 1]
    with socket.socket(type=socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", int(address.split(":")[1])))
        if transport == "tcp":
            other.listen()

        ended = subprocess.run([BUILD / kind, *flags], capture_output=True, text=True, timeout=30)

    assert ended.returncode == 1, ended.stderr
    assert address in ended.stderr
    assert "in use" in ended.stderr
    assert f"--{flag}" in ended.stderr
