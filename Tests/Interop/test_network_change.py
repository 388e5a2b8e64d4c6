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


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_call_goes_on_in_another_network(signed_in, net, kind):
    device = net.device()
    wifi, mobile = net.uplink(device), net.uplink(device)
    wifi.plug()
    # Names of their own: the other kind's pages are still there.
    bob = signed_in(f"Bob-{kind}", "chromium", net.home("masquerade"))
    ann = signed_in(f"Ann-{kind}", kind, device)
    call(ann, bob)
    for tab in (ann, bob):
        sees_picture(tab)

    wifi.unplug()
    mobile.plug()
    changed = time.monotonic()

    media_goes_on(ann, bob)
    print(f"media again after {time.monotonic() - changed:.1f} s")
    for tab in (ann, bob):
        tab.report_where(lambda r: r["call"]["state"] == "connected", "the call is connected")
        tab.sees_no("left the call")
    bob.click("Hang up")
    ann.sees(f"Bob-{kind} hung up")
    idle(ann)
