"""A device that goes from one network to another during a call: nothing of its old network, no address and no port, is of use."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from calls import call, idle, media_goes_on, sees_picture
from chromium import Chromium
from cluster import Cluster
from firefox import Firefox
from namespaces import Inside, Internet, internet, missing

reason = missing()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(reason is not None, reason=reason or ""), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def net() -> Iterator[Internet]:
    with internet() as made:
        yield made


@pytest.fixture(scope="module")
def url(net) -> Iterator[str]:
    with net.public:
        cluster = Cluster()
    try:
        with net.public:
            cluster.start()
        yield f"https://{net.SERVER}:{cluster.https_port}"
    finally:
        with net.public:
            cluster.stop()


@pytest.fixture
def browser(url) -> Iterator:
    """`browser("Ann", "firefox", home)` is a signed-in page in a home. It ends before the homes do."""
    with ExitStack() as stack:

        def start(name: str, kind: str, home) -> Inside:
            with home:
                made = {"chromium": Chromium, "firefox": Firefox}[kind]()
            stack.callback(Inside(made, home).quit)
            tab = Inside(made.tab, home)
            tab.name = name
            tab.open(f"{url}/?name={name}&signin=1")
            tab.report_where(lambda r: r["state"] == "signed-in", f"{name} is signed in")
            return tab

        yield start


@pytest.mark.parametrize("kind", ["chromium", "firefox"])
def test_a_call_goes_on_in_another_network(browser, net, kind):
    device = net.device()
    wifi, mobile = net.uplink(device), net.uplink(device)
    wifi.plug()
    # Names of their own: the other kind's pages are still there.
    bob = browser(f"Bob-{kind}", "chromium", net.home("masquerade"))
    ann = browser(f"Ann-{kind}", kind, device)
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
