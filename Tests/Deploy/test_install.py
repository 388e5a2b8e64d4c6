"""What `make run` finds out first, on machines that lack something: with stand-ins for the system's commands."""

import os
import subprocess
from pathlib import Path

import pytest

from cluster import ROOT

# What the script itself needs; the machine's own Swift, apt-get and sudo are elsewhere or shadowed.
SYSTEM = "/usr/bin:/bin"


@pytest.fixture
def machine(tmp_path: Path):
    """`machine(command="what it does")` makes stand-ins, and runs deploy/install among them."""

    def run(*arguments: str, **commands: str) -> subprocess.CompletedProcess:
        for name, body in commands.items():
            command = tmp_path / name.replace("_", "-")
            command.write_text(f"#!/bin/sh\n{body}\n")
            command.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{SYSTEM}", "HOME": os.environ.get("HOME", "/")}
        return subprocess.run([ROOT / "deploy" / "install", *arguments], capture_output=True, text=True, env=environment, timeout=30)

    run.calls = tmp_path / "calls"
    return run


NOTHING_INSTALLED = "exit 1"


def log(machine) -> str:
    return machine.calls.read_text() if machine.calls.exists() else ""


@pytest.mark.parametrize("version", ["none", "5.9", "6.2.4"])
def test_where_swift_is_missing_or_old_it_says_what_to_do(machine, version: str) -> None:
    if version == "none":
        if any((Path(folder) / "swift").exists() for folder in SYSTEM.split(":")):
            pytest.skip("this machine's Swift is among the system's commands")
        ended = machine("swift")
    else:
        ended = machine("swift", swift=f'echo "Swift version {version} (swift-{version}-RELEASE)"')
    assert ended.returncode == 1
    assert f"Roost needs Swift 6.3 or later; found: {version[:3] if version != 'none' else 'none'}." in ended.stderr
    assert "swiftly install --use 6.3" in ended.stderr


@pytest.mark.parametrize("version", ["6.3", "6.3.1", "6.10", "7.0", "10.1.2"])
def test_a_swift_that_is_new_enough_is_taken_without_a_word(machine, version: str) -> None:
    ended = machine("swift", swift=f'echo "Swift version {version} (swift-{version}-RELEASE)"')
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def installing(machine, user: int, **more: str) -> subprocess.CompletedProcess:
    note = f'echo "$(basename $0) $*" >>{machine.calls}'
    return machine(
        "packages", "run", dpkg_query=NOTHING_INSTALLED, id=f"echo {user}", apt_get=note,
        **{name: body.format(note=note) for name, body in more.items()},
    )  # fmt: skip


def test_root_installs_what_is_missing_and_says_so(machine) -> None:
    ended = installing(machine, 0)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Installing missing Debian packages: ")
    for package in ("libssl-dev", "libhiredis-dev", "libopus-dev", "redis-server"):
        assert package in ended.stdout
        assert package in log(machine)
    assert "apt-get -qq update" in log(machine)


def test_others_install_through_sudo(machine) -> None:
    ended = installing(machine, 1000, sudo='{note}; exec "$@"')
    assert ended.returncode == 0, ended.stderr
    assert "through sudo" in ended.stdout
    assert "sudo env DEBIAN_FRONTEND=noninteractive apt-get" in log(machine)


def test_without_root_and_sudo_it_says_what_an_administrator_does(machine) -> None:
    if any((Path(folder) / "sudo").exists() for folder in SYSTEM.split(":")):
        pytest.skip("sudo is installed here, and may work")
    ended = installing(machine, 1000)
    assert ended.returncode == 1
    assert "apt-get install libssl-dev" in ended.stderr
    assert not log(machine)


def test_only_what_is_missing_is_installed_and_nothing_is_done_where_all_is_there(machine) -> None:
    all_but = 'case "$*" in *redis-server*) exit 1;; esac; echo "install ok installed"'
    note = f'echo "$*" >>{machine.calls}'
    ended = machine("packages", "run", dpkg_query=all_but, id="echo 0", apt_get=note)
    assert ended.stdout == "Installing missing Debian packages: redis-server\n"
    assert log(machine).splitlines()[-1].endswith("install -y --no-install-recommends redis-server")

    machine.calls.unlink()
    ended = machine("packages", "run", dpkg_query='echo "install ok installed"', id="echo 0", apt_get=note)
    assert (ended.returncode, ended.stdout, log(machine)) == (0, "", "")


def test_another_system_is_told_what_to_install(machine, tmp_path: Path) -> None:
    if any((Path(folder) / "apt-get").exists() for folder in SYSTEM.split(":")):
        # Nothing but the stand-ins and what the script calls.
        for name in ("bash", "env", "grep", "dirname", "cat", "sed"):
            (tmp_path / name).symlink_to(Path("/usr/bin") / name)
        environment = {"PATH": str(tmp_path)}
    else:
        environment = {"PATH": SYSTEM}
    ended = subprocess.run([ROOT / "deploy" / "install", "packages", "run"], capture_output=True, text=True, env=environment, timeout=30)
    assert ended.returncode == 0
    assert "This is no Debian system" in ended.stderr and "redis-server" in ended.stderr
