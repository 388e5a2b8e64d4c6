"""What `window.roost` offers is what roost.d.ts says, and its report tells what is so."""

import json
import re
import secrets
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


def test_a_room_reports_layers_and_what_is_hidden(browser, cluster):
    room = f"report-{secrets.token_hex(3)}"
    # Browsers tell of layers in any order.
    backwards = (
        "const get = RTCPeerConnection.prototype.getStats;"
        "RTCPeerConnection.prototype.getStats = async function () { return new Map([...await get.call(this)].reverse()); }; return true"
    )
    ann, bob = (enter_tapped(browser("chromium calm"), cluster.url(), room, name, backwards) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_picture(ann)
    video = ann.report_where(lambda r: r["members"][0]["video"]["rid"] in ("l", "m", "h"), "the layer is told")["members"][0]["video"]
    assert (video["paused"], video["reason"]) == (False, None)
    assert isinstance(video["freezeCount"], int)
    layers = wait_until(lambda: ann.run("return roost.statistics().sent.video.layers.map(({rid}) => rid)"), "what Ann sends is measured")
    assert layers == [rid for rid in ("l", "m", "h") if rid in layers] and len(layers) > 1

    slow = {"type": "media", "room": room, "kind": "quality", "layers": [], "downBps": 100_000}
    slow["paused"] = [{"member": ann.run("return roost.members[0].member"), "source": "camera", "reason": "bandwidth"}]
    heard = ann.run("sockets.at(-1).onmessage({data: arguments[0]}); return (await roost.report()).members[0].video", json.dumps(slow))
    assert (heard["paused"], heard["reason"], heard["rid"]) == (True, "bandwidth", None)
    # The node takes late answers for a slow download; a page that gets no processor knows better.
    told(ann, slow)
    ann.run(
        "globalThis.hear = sockets.at(-1).onmessage; sockets.at(-1).onmessage = () => {};"
        "globalThis.work = setInterval(() => { const end = performance.now() + 400; while (performance.now() < end); }, 450); return true"
    )
    ann.sees("This device is busy: the picture of one person is paused")
    ann.run("clearInterval(work); sockets.at(-1).onmessage = hear; return true")
    told(ann, {**slow, "paused": []})

    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => arguments[0]}); document.dispatchEvent(new Event('visibilitychange')); return true"
    ann.run(hide, True)
    ann.report_where(lambda r: (r["members"][0]["video"]["paused"], r["members"][0]["video"]["reason"]) == (True, "hidden"), "hidden")
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
