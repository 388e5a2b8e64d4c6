"""The page of people and calls, by what a person sees there: its shapes, its banners, its ways on."""

import secrets

import pytest

from calls import call
from page import serious_findings
from taps import cut_socket, let_socket_back, tap
from waiting import wait_until

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844, "phone": True}
LAPTOP = {"width": 1280, "height": 800, "phone": False}
MEDIA = {"audio": False, "video": False, "screen": False}

# Left, top, right and bottom of each tile that is seen, and of what holds them.
BOXES = """
  const box = (element) => { const { left, top, right, bottom } = element.getBoundingClientRect(); return [left, top, right, bottom]; };
  return [box(document.getElementById("tiles")), ...[...document.querySelectorAll("[data-testid^=tile][data-member]")].map(box)];
"""


def has_good_shapes(tab, count: int) -> None:
    """Tiles of about the shape of a picture, all alike, beside each other and inside."""
    (left, top, right, bottom), *boxes = tab.run(BOXES)
    assert len(boxes) == count
    for at, (l, t, r, b) in enumerate(boxes):
        assert left - 1 <= l and top - 1 <= t and r <= right + 1 and b <= bottom + 1, (at, boxes)
        assert 0.7 < (r - l) / (b - t) < 2.6, (count, at, boxes)
        for ll, tt, rr, bb in boxes[:at]:
            assert r <= ll + 1 or rr <= l + 1 or b <= tt + 1 or bb <= t + 1, (at, boxes)
    sizes = {(round(r - l), round(b - t)) for l, t, r, b in boxes}
    assert len(sizes) == 1, sizes


def test_a_grown_call_has_a_good_shape_at_any_count(person, wire):
    ann, others = person("Ann"), [wire("Bea")]
    ann.click(f"Call {others[0].session['name']} with video")
    room = others[0].hear("ring")["room"]
    others[0].ask("join", room=room, media=MEDIA, kind="call", topology="auto")
    for _ in range(7):
        others.append(wire("Cem"))
        name = others[-1].session["name"]
        wait_until(lambda name=name: ann.run("return roost.people.some((each) => each.name === arguments[0])", name), f"{name} is there")
        ann.run("await roost.add(arguments[0]); return true", name)
        others[-1].ask("join", room=room, media=MEDIA, kind="call", topology="auto")
        count = len(others) + 1
        ann.report_where(lambda r, count=count: len(r["members"]) == count - 1, f"{count} are in the call")
        for size in (PHONE, LAPTOP):
            ann.appearance(**size, dark=False)
            wait_until(lambda size=size: ann.run("return innerWidth") == size["width"], "the window has its size")
            ann.run("await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))); return true")
            has_good_shapes(ann, count)
    # The figures name the largest layer that is sent, in whatever order the browser tells of them.
    ann.run("""
      const told = roost.statistics.bind(roost);
      roost.statistics = () => {
        const figures = told();
        const layer = (rid, width, height) => ({ rid, width, height, bps: 100_000, active: true });
        Object.assign(figures.sent.video, { codec: "VP8", bps: 300_000, fps: 30, layers: [layer("m", 640, 360), layer("h", 1280, 720), layer("l", 320, 180)] });
        return figures;
      };
      return true;
    """)
    ann.click("Call details")
    ann.sees("VP8 · 1280 × 720")


# The page's own arithmetic: what is wrong with the tiles of any count in a room of any size. `kind` is a grid, or one large and a strip.
WRONG = """
  const { gridOf, focusOf } = await import("/app/layout.js");
  const wrong = [];
  const around = 0.01;
  for (const width of arguments[0]) for (const height of arguments[0]) for (let count = 1; count <= 50; count++) {
    for (const [kind, boxes] of [["grid", gridOf(count, { width, height })], ["focus", focusOf(count, { width, height })]]) {
      const all = kind === "grid" ? boxes.length === count : boxes.length >= Math.min(count, 2) && boxes.length <= count;
      const good = boxes.every(({ x, y, w, h }) => w > 0 && h > 0 && x >= -around && y >= -around && x + w <= width + around && y + h <= height + around);
      const alone = boxes.every((a, at) => boxes.slice(0, at).every((b) => a.x + a.w <= b.x + around || b.x + b.w <= a.x + around || a.y + a.h <= b.y + around || b.y + b.h <= a.y + around));
      if (!all || !good || !alone) wrong.push(`${kind} of ${count} in ${width}x${height}: ${boxes.length}, ${good ? "inside" : "outside"}, ${alone ? "apart" : "over each other"}`);
    }
  }
  return wrong;
"""


def test_tiles_of_any_count_are_inside_and_apart_in_a_window_of_any_shape(browser, cluster):
    tab = browser()
    tab.open(cluster.url())
    assert tab.run(WRONG, [240, 320, 390, 480, 640, 768, 844, 1024, 1280, 1920, 2560]) == []


def test_banners_say_only_what_is_true_of_the_call(browser, cluster, person):
    ann, bob = browser(), person("Bob")
    ann.name = f"Ann {secrets.token_hex(2)}"
    ann.open(cluster.url())
    tap(ann)
    ann.fill("Your name", ann.name)
    ann.click("Come in")
    call(ann, bob)
    cut_socket(ann)
    ann.sees("The server is out of reach. Reconnecting… Your call goes on.")
    # The browser says that there is no network at all: then nothing goes on.
    ann.run("Object.defineProperty(navigator, 'onLine', {value: false, configurable: true}); window.dispatchEvent(new Event('offline')); return true")
    ann.sees("You are offline. The call waits until you are back.")
    ann.sees_no("Your call goes on")
    ann.run("delete navigator.onLine; window.dispatchEvent(new Event('online')); return true")
    # Neither does it while its way is lost as well.
    ann.run(
        "const pc = pcs.at(-1); for (const name of ['connectionState', 'iceConnectionState'])"
        "  Object.defineProperty(pc, name, {value: 'disconnected', configurable: true});"
        "pc.onconnectionstatechange(); return true"
    )
    ann.sees("The server is out of reach. Reconnecting…", "Path lost, finding another")
    ann.sees_no("Your call goes on")
    let_socket_back(ann)


def test_who_is_signed_in_opens_a_room(person):
    ann, bob = person("Ann"), person("Bob")
    ann.offers(f"Call {bob.name} with video")
    assert serious_findings(ann) == []
    ann.fill("Meet in a room", "not / a room")
    ann.click("Open a room")
    ann.sees("Use letters, digits")
    room = f"plum-{secrets.token_hex(3)}"
    ann.fill("Meet in a room", room)
    ann.press("Enter")
    ann.sees(f"Room {room}")
    ann.click("Enter the room")
    ann.report_where(lambda r: r["room"] == room and r["name"] == ann.name, "in the room under the same name")


def test_the_first_page_promises_what_is_so(browser, cluster):
    """Beside the way into a room, whose media a node forwards, only calls of two are said to go straight."""
    tab = browser()
    tab.open(cluster.url())
    tab.sees("Meet in a room", "A call of two goes straight from browser to browser")
