"""Networks of one's own: namespaces joined by a bridge, and routers that translate addresses. Needs root; ends what it made, by name."""

import ctypes
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Why no namespace can be made here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for command in ("ip", "nft"):
        if shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"{command} is not installed (packages iproute2, nftables)"
    probe = f"rt-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespace can be made here: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", probe], check=False)
    return None


def _enter(path: str) -> None:
    with open(path, "rb") as namespace:
        if _libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")


class Namespace:
    """A network namespace. Inside `with namespace:` this thread's new sockets and processes are in it."""

    def __init__(self, name: str):
        self.name = name
        self._outer: list[str] = []
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.ip("link set lo up")

    def ip(self, command: str) -> None:
        subprocess.run(["ip", "-netns", self.name, *command.split()], check=True)

    def nft(self, rules: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.name, "nft", "-f", "-"], input=rules, text=True, check=True)

    def forward(self) -> None:
        with self, open("/proc/sys/net/ipv4/ip_forward", "w") as switch:
            switch.write("1")

    def __enter__(self) -> "Namespace":
        # The thread's, not the process's: /proc/self/ns is the main thread's.
        self._outer.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        _enter(f"/run/netns/{self.name}")
        return self

    def __exit__(self, *_: object) -> None:
        outer = self._outer.pop()
        try:
            if _libc.setns(outer, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "cannot go back to the namespace that this thread came from")
        finally:
            os.close(outer)

    def delete(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


class Inside:
    """An object whose methods are called inside a namespace: a browser's tab is driven over sockets that are there."""

    def __init__(self, thing: Any, namespace: Namespace):
        self.__dict__.update(_thing=thing, _namespace=namespace)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._thing, name)
        if not callable(value):
            return value

        def called(*arguments: Any, **named: Any) -> Any:
            with self._namespace:
                return value(*arguments, **named)

        return called

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._thing, name, value)


class Uplink:
    """A cable from a home to a router: the network that a device is in."""

    def __init__(self, home: Namespace, number: int):
        self.home, self.number = home, number
        self.unplug()

    def plug(self) -> None:
        self.home.ip(f"link set eth{self.number} up")
        self.home.ip(f"addr replace 10.{self.number}.0.2/24 dev eth{self.number}")
        self.home.ip(f"route replace default via 10.{self.number}.0.1")

    def unplug(self) -> None:
        """As a device that leaves a network: its address and routes are gone at once, and nobody is told."""
        self.home.ip(f"addr flush dev eth{self.number}")
        self.home.ip(f"link set eth{self.number} down")


class Internet:
    """A public network, 11.7.0.0/24, and homes behind routers of their own. Nothing of it is connected to this machine's networks.

    The range is one that is routed in the real world, so that a TURN server's rules about peers see what they would see there.
    """

    SERVER = "11.7.0.1"

    def __init__(self) -> None:
        self.id = secrets.token_hex(2)
        self.made: list[Namespace] = []
        self.routers = 0
        self.public = self._namespace("pub")
        self.public.ip("link add wan type bridge")
        self.public.ip(f"addr add {self.SERVER}/24 dev wan")
        self.public.ip("link set wan up")
        self.public.ip("route add default dev wan")

    def _namespace(self, role: str) -> Namespace:
        namespace = Namespace(f"rt-{self.id}-{role}")
        self.made.append(namespace)
        return namespace

    def home(self, nat: str = "masquerade random,fully-random", refuse: str = "") -> Namespace:
        """A home network behind a NAT; the default gives every connection another port (a symmetric NAT).

        `refuse` is a match of nftables whose packets the router drops.
        """
        home = self.device()
        self.uplink(home, nat, refuse).plug()
        return home

    def device(self) -> Namespace:
        """A device that is in no network yet; see `uplink`."""
        return self._namespace(f"h{self.routers + 1}")

    def uplink(self, home: Namespace, nat: str = "masquerade", refuse: str = "") -> "Uplink":
        """A way out of a home, by a router and an address of its own; not in use before `plug`."""
        self.routers += 1
        number = self.routers
        router = self._namespace(f"r{number}")
        self._cable(self.public, f"to-r{number}", router, "wan")
        self._cable(router, "lan", home, f"eth{number}")
        self.public.ip(f"link set to-r{number} master wan")
        router.ip(f"addr add 11.7.0.{10 + number}/24 dev wan")
        router.ip(f"addr add 10.{number}.0.1/24 dev lan")
        router.ip("route add default dev wan")
        router.forward()
        router.nft(
            f"""table ip home {{
                chain out {{ type nat hook postrouting priority srcnat; oifname "wan" {nat}; }}
                chain through {{ type filter hook forward priority filter; policy drop;
                    {f"{refuse} drop;" if refuse else ""}
                    iifname "lan" accept; ct state established,related accept; }}
            }}"""
        )
        return Uplink(home, number)

    def _cable(self, a: Namespace, a_end: str, b: Namespace, b_end: str) -> None:
        a.ip(f"link add {a_end} type veth peer name {b_end} netns {b.name}")
        a.ip(f"link set {a_end} up")
        b.ip(f"link set {b_end} up")

    def delete(self) -> None:
        for namespace in reversed(self.made):
            namespace.delete()


@contextmanager
def internet() -> Iterator[Internet]:
    made = Internet()
    try:
        yield made
    finally:
        made.delete()
