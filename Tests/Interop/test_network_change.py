"""A device that goes from one network to another during a call: nothing of its old network, no address and no port, is of use."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from calls import call, idle, media_goes_on, sees_picture
from homes import marks, roost_at, sign_in, tab_at

pytestmark = marks


@pytest.fixture(scope="module")
def url(net) -> Iterator[str]:
    with roost_at(net) as made:
        yield made


@pytest.fixture
def signed_in(url) -> Iterator:
    """`signed_in("Ann", "firefox", home)` is a signed-in page in a home."""
    with ExitStack() as stack:

        def start(name: str, kind: str, home):
            tab = stack.enter_context(tab_at(home, kind))
            sign_in(tab, name, url)
            return tab

        yield start


def test_calls_go_on_in_another_network(signed_in, net):
    """Of each kind of browser one, at the same time: they mostly wait for a path that is no more to be given up."""
    kinds = ("chromium", "firefox")
    ways, calls = [], []
    for kind in kinds:
        device = net.device()
        ways.append((net.uplink(device), net.uplink(device)))
        ways[-1][0].plug()
        calls.append((signed_in(f"Ann-{kind}", kind, device), signed_in(f"Bob-{kind}", "chromium", net.home("masquerade"))))
    for ann, bob in calls:
        call(ann, bob)
        sees_picture(ann)
        sees_picture(bob)

    for wifi, mobile in ways:
        wifi.unplug()
        mobile.plug()
    changed = time.monotonic()

    for ann, bob in calls:
        media_goes_on(ann, bob)
        print(f"{ann.name}: media again after {time.monotonic() - changed:.1f} s")
        for tab in (ann, bob):
            tab.report_where(lambda r: r["call"]["state"] == "connected", "the call is connected")
            tab.sees_no("left the call")
        bob.click("Hang up")
        ann.sees(f"{bob.name} hung up")
        idle(ann)
