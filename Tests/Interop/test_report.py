"""What `window.roost` offers is what roost.d.ts says, and its report tells what is so."""

import json
import re
import secrets
import time
from pathlib import Path

import pytest

from calls import call, sees_picture
from rooms import meets
from taps import enter_tapped, told
from waiting import wait_until

pytestmark = pytest.mark.browser

TYPES = Path(__file__).resolve().parents[2] / "Services" / "signal" / "Web" / "roost.d.ts"


def declared(name: str) -> set[str]:
    """The members of an exported class."""
    text = re.sub(r"/\*.*?\*/", "", TYPES.read_text(), flags=re.S)
    body = re.search(rf"^export class {name}\b[^{{]*{{(.*?)^}}", text, re.S | re.M)
    assert body, f"no class {name} in {TYPES}"
    return set(re.findall(r"^  (?:readonly )?(\w+)[(<:?]", body[1], re.M))


def test_the_types_and_the_page_know_the_same_members(browser, cluster):
    tab = browser()
    tab.open(cluster.url())
    tab.sees("Your name")
    there = tab.run("return [...Object.getOwnPropertyNames(roost), ...Object.getOwnPropertyNames(Object.getPrototypeOf(roost))]")
    assert set(there) - {"constructor"} == declared("Roost") - {"constructor", "addEventListener"}


def test_a_straight_call_reports_standstills_and_no_layers(person):
    ann, bob = person("Ann"), person("Bob")
    ann.run(
        "const get = RTCPeerConnection.prototype.getStats;"
        "RTCPeerConnection.prototype.getStats = async function () {"
        "  const all = new Map(await get.call(this));"
        "  for (const [id, each] of all) if (each.type === 'inbound-rtp' && each.kind === 'video') all.set(id, {...each, freezeCount: 7});"
        "  return all;"
        "}; return true"
    )
    call(ann, bob)
    sees_picture(ann)
    video = ann.report()["members"][0]["video"]
    assert {key: video[key] for key in ("freezeCount", "rid", "paused", "reason")} == {"freezeCount": 7, "rid": None, "paused": False, "reason": None}


# What the node would say of a slow download, and nothing else of it meanwhile.
SLOW = """
  const socket = sockets.at(-1);
  globalThis.usual ??= socket.onmessage;
  socket.onmessage = () => {};
  usual.call(socket, {data: arguments[0]});
  return (await roost.report()).members[0].video;
"""


def test_a_room_reports_layers_and_what_is_slow_small_or_hidden(browser, cluster, wire):
    room = f"report-{secrets.token_hex(3)}"
    # Browsers tell of layers in any order.
    backwards = (
        "const get = RTCPeerConnection.prototype.getStats;"
        "RTCPeerConnection.prototype.getStats = async function () { return new Map([...await get.call(this)].reverse()); }; return true"
    )
    ann, bob = (enter_tapped(browser(), cluster.url(), room, name, backwards) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_picture(ann)
    video = ann.report_where(lambda r: r["members"][0]["video"]["rid"] in ("l", "m", "h"), "the layer is told")["members"][0]["video"]
    assert (video["paused"], video["reason"]) == (False, None)
    assert isinstance(video["freezeCount"], int)
    layers = wait_until(lambda: ann.run("return roost.statistics().sent.video.layers.map(({rid}) => rid)"), "what Ann sends is measured")
    assert layers == [rid for rid in ("l", "m", "h") if rid in layers] and len(layers) > 1

    others = [wire("Cem"), wire("Dan")]
    for other in others:
        other.ask("join", room=room, kind="room", topology="sfu", media={"audio": True, "video": True, "screen": False})
    ann.report_where(lambda r: len(r["members"]) == 3, "all are there")

    def slow(count: int) -> dict:
        paused = [{"member": member, "source": "camera", "reason": "bandwidth"} for member in ann.run("return roost.members.map(({member}) => member)")[:count]]
        told = {"type": "media", "room": room, "kind": "quality", "layers": [], "downBps": 100_000, "paused": paused}
        return ann.run(SLOW, json.dumps(told))

    slow(3)
    ann.sees("Your download is slow: pictures of 3 people are paused")
    heard = slow(1)
    assert (heard["paused"], heard["reason"], heard["rid"]) == (True, "bandwidth", None)
    ann.sees("Your download is slow: the picture of one person is paused")
    # The node takes late answers for a slow download; a page that gets no processor knows better.
    ann.run("globalThis.work = setInterval(() => { const end = performance.now() + 400; while (performance.now() < end); }, 450); return true")
    ann.sees("This device is busy: the picture of one person is paused")
    ann.run("clearInterval(work); sockets.at(-1).onmessage = usual; return true")
    told(ann, {"type": "media", "room": room, "kind": "quality", "layers": [], "downBps": 100_000, "paused": []})
    for other in others:
        other.ask("leave", room=room)
    meets(ann, bob)

    # The room that a tile has on the page chooses the layer, and what nobody takes is not sent.
    sent = lambda: {each["rid"] for each in bob.run("return roost.statistics().sent.video.layers") if each["active"] and each["bps"] > 0}  # noqa: E731

    pin = "document.querySelector('[data-testid=tile-self] [data-testid=pin]').click(); return true"
    ann.report_where(lambda r: r["members"][0]["video"]["width"] >= 640, "a large tile gets a large picture", 60.0)
    ann.appearance(width=640, height=480)
    ann.run(pin)
    pinned = time.monotonic()
    ann.report_where(lambda r: r["members"][0]["video"]["rid"] == "l", "a small tile gets the small layer")
    took = time.monotonic() - pinned
    assert took < 2.0, f"after {took:.1f} s"
    wait_until(lambda: sent() == {"l"}, "Bob sends nothing else", seen=sent)
    ann.appearance(width=1280, height=800)
    ann.run(pin)
    ann.report_where(lambda r: r["members"][0]["video"]["rid"] in ("m", "h"), "a larger tile gets a larger one", 60.0)
    wait_until(lambda: len(sent()) > 1, "Bob sends it", seen=sent)

    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => arguments[0]}); document.dispatchEvent(new Event('visibilitychange')); return true"
    ann.run(hide, True)
    hidden = time.monotonic()
    ann.report_where(lambda r: (r["members"][0]["video"]["paused"], r["members"][0]["video"]["reason"]) == (True, "hidden"), "hidden")
    assert time.monotonic() - hidden < 2.0
    ann.run(hide, False)
    ann.report_where(lambda r: r["members"][0]["video"]["paused"] is False, "shown")
    assert ann.run("return document.querySelector('[data-testid=tile]').classList.contains('has-picture')")
    sees_picture(ann)


def test_a_topology_is_chosen_before_a_room(browser, cluster):
    code = "return roost.setTopology(arguments[0]).then(() => null, (error) => error.code)"
    tab = enter_tapped(browser(), cluster.url(), f"report-{secrets.token_hex(3)}", "Ann", "roost.setTopology('mesh'); return true")
    assert tab.report()["topology"] == "mesh"
    assert [tab.run(code, name) for name in ("star", "mesh", "sfu")] == ["bad-topology", None, None]
    tab.report_where(lambda r: r["topology"] == "sfu", "the room's topology is another one")
    tab.click("Leave the room")
    tab.sees("You left the room")
    assert tab.run(code, "sfu") is None
