"""The page of a room, by what a person sees there: outside its door, inside, and after it."""

import re
import secrets

import pytest

from browsers import LOOK
from page import serious_findings
from rooms import MEDIA_PATIENCE, enter, meets
from taps import cut_socket, let_socket_back, tap
from waiting import wait_until
from wire import room_id

pytestmark = pytest.mark.browser

MEDIA = {"audio": True, "video": True, "screen": False}


def test_who_stands_outside_a_room_is_not_within_reach(enters, person, browser, cluster, room, wire):
    """Nothing rings on the page of a room: whoever left it, or is not in yet, must not seem to be there."""
    ann, bob, carl = person("Ann"), enters("Bob"), wire("Carl")
    ann.offers(f"Call {bob.name} with video")
    carl.ask("call", room=room_id(), to=bob.name, video=True, media=MEDIA)
    bob.sees(f"{carl.session['name']} called while you were busy")
    bob.click("Leave the room")
    bob.sees("You left the room")
    ann.offers_no(f"Call {bob.name} with video")
    bob.click("Enter again")
    bob.report_where(lambda r: r["room"] == room, "in the room again")
    ann.offers(f"Call {bob.name} with video")
    bob.click("Leave the room")
    bob.click("To the people", role="link")
    bob.offers(f"Call {ann.name} with video")
    bob.sees(f"{carl.session['name']} called at")
    ann.offers(f"Call {bob.name} with video")
    # The same from the people's page into the lobby.
    bob.open(f"{cluster.url()}/room/{room}")
    bob.offers("Enter the room")
    ann.offers_no(f"Call {bob.name} with video")
    assert bob.run("return document.getElementById('name').value") == bob.name


def test_a_name_in_the_address_is_stronger_than_whom_the_tab_was(enters, cluster):
    ann = enters("Ann")
    ann.open(f"{cluster.url()}/room/room-{secrets.token_hex(3)}?name=Zoe")
    ann.offers("Enter the room")
    assert ann.run("return document.getElementById('name').value") == "Zoe"
    ann.click("Enter the room")
    ann.report_where(lambda r: r["room"] and r["name"] == "Zoe", "Zoe is in")
    # She took another name there: a reload keeps it.
    ann.click("Leave the room")
    ann.run("document.getElementById('name').value = 'Zoe 2'; return true")
    ann.click("Enter again")
    ann.report_where(lambda r: r["room"] and r["name"] == "Zoe 2", "Zoe 2 is in")
    ann.run("location.reload(); return true")
    ann.report_where(lambda r: r["room"] and r["name"] == "Zoe 2" and r["connection"] == "open", "back after a reload")


# Camera and microphone that open late, as where a person thinks about the browser's question.
LATE_DEVICES = """
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const allowed = new Promise((resolve) => (globalThis.allowDevices = resolve));
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await allowed;
    return ask(wanted);
  };
"""


@pytest.fixture
def hushed(enters, browser, cluster, room):
    """`hushed(SCRIPT)` is somebody beside Ann whose browser, by that script, does not play her voice yet."""

    def enter_hushed(script: str):
        ann, late = enters("Ann"), browser()
        late.before_pages(script)
        bob = enter(late, cluster.url(), room, "Bob")
        meets(bob, ann)
        bob.offers("Turn sound on")
        return bob

    return enter_hushed


def test_who_came_before_the_own_microphone_is_heard_once_that_is_open(hushed):
    """A browser keeps a page silent that nobody touched and that uses no microphone: that must not last longer than it must."""
    bob = hushed(LATE_DEVICES)
    bob.run("allowDevices(); return true")
    bob.offers_no("Turn sound on")
    bob.report_where(lambda r: r["members"][0]["audio"]["level"] > 0, "Ann is heard", 30)


# A browser that gives the devices, and lets the page play only some seconds later: one with much to do.
LATE_LEAVE_TO_PLAY = """
  const play = HTMLMediaElement.prototype.play;
  globalThis.allowSound = () => (globalThis.soundIsAllowed = true);
  HTMLMediaElement.prototype.play = function () {
    if (this.tagName === "VIDEO" || globalThis.soundIsAllowed) return play.call(this);
    return Promise.reject(new DOMException("play() failed because the user didn't interact with the document first.", "NotAllowedError"));
  };
"""


def test_sound_that_a_browser_allows_late_is_heard_without_a_touch(hushed):
    """The browser's word to the page that it may play comes after the microphone itself, on a busy machine by seconds."""
    bob = hushed(LATE_LEAVE_TO_PLAY)
    wait_until(lambda: bob.run("return roost.local.audio.track !== null"), "Bob's microphone is open")
    bob.run("allowSound(); return true")
    bob.offers_no("Turn sound on")
    assert not bob.run("return [...document.querySelectorAll('[data-testid=tile] audio')].some((each) => each.paused)")


@pytest.mark.parametrize(("path", "like"), [("a%20b", "a-b"), ("%zz", "zz"), ("caf%C3%A9!", "caf")])
def test_an_address_that_can_be_no_room_says_so(browser, cluster, path, like):
    tab = browser()
    tab.open(f"{cluster.url()}/room/{path}")
    tab.sees("There is no such room", "letters, digits")
    assert not tab.has("button", "Enter the room")
    assert serious_findings(tab) == []
    tab.click("Open a room")
    tab.sees(f"Room {like}")
    tab.offers("Enter the room")


# A screen that moves and sounds, whatever the machine has: a canvas and a tone.
SCREEN = """
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 400 });
    const paint = canvas.getContext("2d");
    let at = 0;
    setInterval(() => { paint.fillStyle = `hsl(${at++ % 360} 80% 50%)`; paint.fillRect(0, 0, 640, 400); }, 60);
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: 440 });
    const out = context.createMediaStreamDestination();
    tone.connect(out);
    tone.start();
    return new MediaStream([...canvas.captureStream(15).getTracks(), ...out.stream.getTracks()]);
  };
  return true;
"""

# What the tiles show: name, whether there is a picture in it that moves, and its shape.
SHOWN = """
  const tiles = [...document.querySelectorAll("[data-testid=tile]:not([hidden])")];
  return Object.fromEntries(tiles.map((tile) => {
    const video = [...tile.querySelectorAll("video")].at(-1);
    const seen = tile.classList.contains("has-picture") && video.videoWidth > 0;
    return [tile.getAttribute("aria-label"), seen ? `${video.videoWidth}x${video.videoHeight}` : null];
  }));
"""

# The loudest sample of what the tiles play at this moment: the tone's, where the page hears it.
LOUDNESS = """
  globalThis.meter ??= (() => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context);
    const audios = [...document.querySelectorAll("[data-testid=tile] audio")].filter((each) => each.srcObject?.getAudioTracks().length);
    for (const each of audios) context.createMediaStreamSource(each.srcObject).connect(analyser);
    return { context, analyser };
  })();
  await meter.context.resume();
  const samples = new Float32Array(meter.analyser.fftSize);
  meter.analyser.getFloatTimeDomainData(samples);
  return Math.max(...samples);
"""


@pytest.mark.parametrize("topology", ["mesh", "sfu"])
def test_a_shared_screen_is_a_picture_of_its_own_and_is_heard(enters, topology):
    """Straight from one to the other as well, where it takes the camera's way: with the camera on, and with all off."""
    ann, bob = enters("Ann", query=f"&topology={topology}"), enters("Bob", query=f"&topology={topology}")
    meets(ann, bob)
    screen = f"Screen of {bob.name}"
    shown = lambda: ann.run(SHOWN)  # noqa: E731
    wait_until(lambda: shown().get(bob.name), "Ann sees Bob", MEDIA_PATIENCE, seen=ann.describe)
    bob.run(SCREEN)
    bob.click("Share screen")
    wait_until(lambda: shown().get(screen) == "640x400", "Ann sees Bob's screen", 30, seen=lambda: f"{shown()} {ann.describe()}")
    if topology == "mesh":
        assert shown()[bob.name] is None, "what is not sent is not shown in another's place"
    bob.click("Turn camera off")
    bob.click("Mute microphone")
    wait_until(lambda: shown() == {bob.name: None, screen: "640x400"}, "only the screen is left", 30, seen=lambda: f"{shown()} {ann.describe()}")
    wait_until(lambda: ann.run(LOUDNESS) > 0.1, "the screen is heard, whose microphone is off", 20, seen=ann.describe)
    bob.click("Stop sharing screen")
    bob.click("Turn camera on")
    wait_until(lambda: list(shown()) == [bob.name] and shown()[bob.name], "the camera is back", 30, seen=lambda: f"{shown()} {ann.describe()}")


# Counts the moments in which a picture that was there is black: an element without a frame in a tile that has a picture.
BLACK = """
  window.black = [];
  const known = new Set();
  const look = () => {
    for (const tile of document.querySelectorAll("[data-testid=tile].has-picture")) {
      // A new one plays beneath until it has something to show.
      const video = [...tile.querySelectorAll("video")].at(-1);
      const name = tile.getAttribute("aria-label");
      if (video.readyState >= 2) known.add(name);
      else if (known.has(name)) window.black.push(name);
    }
    requestAnimationFrame(look);
  };
  look();
  return true;
"""


def test_no_picture_is_black_while_a_room_grows_and_shrinks(enters):
    """In a room of topology `auto` media goes over to a node with the third, and back when two are left."""
    auto = "&topology=auto"
    ann, bob = enters("Ann", "chromium", auto), enters("Bob", "chromium", auto)
    wait_until(lambda: ann.run(SHOWN).get(bob.name), "Ann sees Bob", MEDIA_PATIENCE, seen=ann.describe)
    ann.run(BLACK)
    cem = enters("Cem", "chromium", auto)
    through_node = "return roost.members.length === 2 && roost.members.every((each) => !each.straight && each.stream)"
    wait_until(lambda: ann.run(through_node), "a node carries all", MEDIA_PATIENCE, seen=ann.describe)
    wait_until(lambda: all(ann.run(SHOWN).values()), "Ann sees both", MEDIA_PATIENCE, seen=ann.describe)
    cem.click("Leave the room")
    straight = "return roost.members.length === 1 && roost.members[0].straight && roost.statistics().sent === undefined"
    wait_until(lambda: ann.run(straight), "straight again", MEDIA_PATIENCE, seen=ann.describe)
    frames = ann.report()["members"][0]["video"]["framesDecoded"]
    ann.report_where(lambda r: r["members"][0]["video"]["framesDecoded"] > frames + 10, "Bob's picture moves", MEDIA_PATIENCE)
    assert ann.run("return window.black") == []


def test_banners_of_a_room_say_only_what_is_true(browser, cluster, room):
    ann = browser()
    ann.name = f"Ann {secrets.token_hex(2)}"
    ann.open(f"{cluster.url()}/room/{room}?name={ann.name.replace(' ', '%20')}")
    tap(ann)
    ann.click("Enter the room")
    ann.sees("Nobody else is here yet", "Only you")
    # Alone one has a way to the node all the same; when it is lost, one is told.
    ann.run(
        "const pc = pcs.at(-1); for (const name of ['connectionState', 'iceConnectionState'])"
        "  Object.defineProperty(pc, name, {value: 'disconnected', configurable: true});"
        "pc.onconnectionstatechange(); return true"
    )
    ann.sees("The connection to the room is lost")
    ann.sees_no("The connection to the room is lost")
    # With nobody there, nothing goes on; and neither while one is still entering.
    cut_socket(ann)
    ann.sees("The server is out of reach. Reconnecting…")
    assert "go on" not in ann.text()
    let_socket_back(ann)
    bob = enter(browser(), cluster.url(), room, "Bob")
    ann.report_where(lambda r: [m["state"] for m in r["members"]] == ["connected"], f"{bob.name} is there")
    cut_socket(ann)
    ann.sees("Sound and picture go on")
    ann.run("roost.entered.state = 'entering'; roost.dispatchEvent(new Event('change')); return true")
    ann.sees_no("Sound and picture go on")
    ann.sees("The server is out of reach. Reconnecting…")


def touch(tab, selector: str) -> None:
    """A finger's tap in the middle of an element."""
    x, y = tab.run(f"const {{x, y, width, height}} = document.querySelector({selector!r}).getBoundingClientRect(); return [x + width / 2, y + height / 2]")
    tab.cdp("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
    tab.cdp("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])


def test_a_fingers_touch_shows_a_tiles_tools_and_never_presses_unseen_ones(browser, cluster, room):
    ann = browser()
    ann.open("about:blank")
    ann.appearance(width=390, height=844, phone=True, dark=False)
    enter(ann, cluster.url(), room, "Ann")
    pin = "[data-testid=tile-self] [data-testid=pin]"
    shown = lambda: float(ann.run("return getComputedStyle(document.querySelector('[data-testid=tile-self] .tile-tools')).opacity")) > 0.5  # noqa: E731
    wait_until(lambda: ann.run("return document.querySelector('[data-testid=tile-self] video').videoWidth > 0"), "one sees oneself")
    assert not shown()
    touch(ann, pin)
    wait_until(shown, "the first touch shows the tools", 2)
    assert ann.run("return document.querySelector(arguments[0]).classList.contains('on')", pin) is False, "and pins nothing"
    touch(ann, pin)
    wait_until(lambda: ann.run("return document.querySelector(arguments[0]).classList.contains('on')", pin), "the second one pins", 2)
    wait_until(lambda: not shown(), "and the tools go away", 2)
    touch(ann, "[data-testid=tile-self] video")
    wait_until(shown, "a touch shows them again", 2)
    touch(ann, "[data-testid=tile-self] video")
    wait_until(lambda: not shown(), "another one hides them", 2)


def test_a_screen_reader_and_a_keyboard_get_everything(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    # What is said and shown while nobody looks is told, and not what is in view already.
    bob.run("roost.say('The tea is ready'); roost.react('👏'); return true")
    said = lambda: ann.run("return [...document.querySelectorAll('[data-testid=said] p')].map((each) => each.textContent)")  # noqa: E731
    wait_until(lambda: said() == [f"{bob.name} wrote: The tea is ready", f"{bob.name}: 👏"], "both are told", seen=said)
    assert ann.run("return document.querySelector('[data-testid=said]').ariaLive") == "polite"
    ann.click("Chat, 1 new")
    bob.run("roost.say('Come'); return true")
    ann.sees("Come")
    assert f"{bob.name} wrote: Come" not in said()

    # Either the name changes or the state, never both.
    ann.press("Escape")
    ann.click("Raise hand")
    ann.offers("Lower hand")
    ann.tab_to(f"Show {bob.name} large")
    ann.press("Enter")
    ann.offers(f"Show {bob.name} as the others")
    assert ann.run("return document.querySelectorAll('[aria-pressed]').length") == 0

    # A button that does its work and goes leaves the keyboard beside it.
    ann.click("People")
    ann.run("document.querySelector('[data-testid=mute]').focus(); return true")
    ann.press("Enter")
    ann.offers_no(f"Mute {bob.name}")
    assert ann.focused() == f"Let {bob.name} only listen"
    ann.press("Escape")

    # Single keys can be switched off, for whoever speaks to the computer.
    ann.click("Keyboard")
    ann.click("Single keys work during a call", role="checkbox")
    ann.press("Escape")
    ann.press("r")
    ann.offers("Lower hand")
    ann.click("Keyboard")
    ann.click("Single keys work during a call", role="checkbox")
    ann.press("Escape")
    ann.press("r")
    ann.offers("Raise hand")


def area(tab, name: str) -> float:
    return float(tab.run("const { width, height } = document.querySelector(`[data-testid^=tile][aria-label='${arguments[0]}']`).getBoundingClientRect(); return width * height", name))


def use_tool(tab, of: str, tool: str) -> None:
    """Brings the pointer of a mouse over somebody's tile, where its tools come up, and clicks one of them.

    Again and again until it is done: a tile that still moves to its place leaves the pointer behind, and its tools go.
    """

    def used() -> bool:
        x, y = tab.run("const {x, y, width, height} = document.querySelector(`[data-testid=tile][aria-label='${arguments[0]}']`).getBoundingClientRect(); return [x + width / 2, y + height / 2]", of)
        tab.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        tab.click_element(LOOK + "return find(arguments[0], arguments[1])", "button", tool)
        return True

    wait_until(used, f"a click on {tool!r} of {of}'s tile", seen=tab.describe)


def test_who_speaks_is_marked_and_large_and_a_pin_is_stronger(enters, wire, room):
    ann, bob, cem = enters("Ann"), enters("Bob"), wire("Cem")
    silent = cem.session["name"]
    cem.ask("join", room=room, media={"audio": True, "video": False, "screen": False}, kind="room", topology="sfu")
    ann.report_where(lambda r: len(r["members"]) == 2, "both are there")
    # The made-up microphone beeps once a second.
    marked = "return document.querySelector(`[data-testid=tile][aria-label='${arguments[0]}']`).classList.contains('speaking')"
    wait_until(lambda: ann.run(marked, bob.name), "Bob is marked as speaking", 30, every=0.02, seen=ann.describe)
    assert ann.run(marked, silent) is False
    wait_until(lambda: abs(area(ann, bob.name) / area(ann, silent) - 1) < 0.05, "at first all are alike", seen=ann.describe)

    ann.click("Show who speaks large")
    wait_until(lambda: area(ann, bob.name) > 3 * area(ann, silent), "Bob, who speaks, is large", seen=ann.describe)
    use_tool(ann, silent, f"Show {silent} large")
    wait_until(lambda: area(ann, silent) > 3 * area(ann, bob.name), "who is pinned is large, whoever speaks", seen=ann.describe)
    use_tool(ann, silent, f"Show {silent} as the others")
    wait_until(lambda: area(ann, bob.name) > 3 * area(ann, silent), "Bob is large again", seen=ann.describe)
    ann.press("g")
    ann.offers("Show who speaks large")
    wait_until(lambda: abs(area(ann, bob.name) / area(ann, silent) - 1) < 0.05, "all are alike again", seen=ann.describe)

    bob.click("Mute microphone")
    off = "return document.querySelector(`[data-testid=tile][aria-label='${arguments[0]}'] .tile-off`).checkVisibility()"
    wait_until(lambda: ann.run(off, bob.name) and not ann.run(marked, bob.name), "who is mute is marked so, and not as speaking", seen=ann.describe)


def test_a_picture_fills_the_screen_and_goes_into_a_small_window(enters):
    ann, bob = enters("Ann"), enters("Bob")
    wait_until(lambda: ann.run(SHOWN).get(bob.name), "Ann sees Bob", MEDIA_PATIENCE, seen=ann.describe)
    use_tool(ann, bob.name, f"{bob.name} on the full screen")
    wait_until(lambda: ann.run("return document.fullscreenElement?.getAttribute('aria-label')") == bob.name, "Bob fills the screen")
    fills = "const { width, height } = document.fullscreenElement.getBoundingClientRect(); return width >= innerWidth - 1 && height >= innerHeight - 1"
    wait_until(lambda: ann.run(fills), "to its edges", seen=lambda: ann.run("const b = document.fullscreenElement.getBoundingClientRect(); return [b.width, b.height, innerWidth, innerHeight]"))
    ann.run("await document.exitFullscreen(); return true")
    if not ann.run("return document.pictureInPictureEnabled"):
        pytest.skip("this browser has no picture in picture")
    wait_until(lambda: not ann.run("return document.fullscreenElement"), "Bob is a tile again")
    use_tool(ann, bob.name, f"{bob.name} in a small window")
    within = "return document.pictureInPictureElement?.closest('[data-testid=tile]').getAttribute('aria-label') ?? null"
    wait_until(lambda: ann.run(within) == bob.name, "Bob is in the small window", seen=ann.describe)
    use_tool(ann, bob.name, f"{bob.name} in a small window")
    wait_until(lambda: ann.run(within) is None, "and back")


def test_a_weak_connection_is_marked_with_its_reason(browser, enters, cluster, room):
    ann, bob = enters("Ann"), browser()
    bob.name = f"Bob {secrets.token_hex(2)}"
    bob.open(f"{cluster.url()}/room/{room}?name={bob.name.replace(' ', '%20')}")
    tap(bob)
    bob.click("Enter the room")
    meets(ann, bob)
    ann.report_where(lambda r: [m["state"] for m in r["members"]] == ["connected"], "connected")
    mark = "const mark = document.querySelector('[data-testid=tile] .tile-weak'); return mark.checkVisibility() ? mark.getAttribute('aria-label') : null"
    assert ann.run(mark) is None
    cut_socket(bob)
    wait_until(lambda: ann.run(mark) == "Lost the server for a moment", "it is told that Bob lost the server", 40, seen=ann.describe)
    let_socket_back(bob)
    wait_until(lambda: ann.run(mark) is None, "and that he has it again", 40, seen=ann.describe)
    # Every fifth packet is lost, as far as the page is told.
    ann.run("""
      const told = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(roost), "members").get;
      const lossy = (each) => ({ ...each, statistics: each.statistics && { ...each.statistics, audio: { ...each.statistics.audio, loss: 0.2 } } });
      Object.defineProperty(roost, "members", { get: () => told.call(roost).map(lossy) });
      return true;
    """)
    wait_until(lambda: ann.run(f"roost.dispatchEvent(new Event('change')); {mark}") == "Weak connection: 20 % of the packets are lost", "the loss is told")


def test_reactions_rise_from_who_sent_them_and_go(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    risen = "return [...document.querySelectorAll('.tile-reaction')].map((each) => `${each.closest('[data-member]').getAttribute('aria-label')} ${each.textContent}`)"
    bob.click("React")
    assert bob.focused() == "React with 👍"
    bob.click("React with 🎉")
    assert bob.focused() == "React"
    wait_until(lambda: ann.run(risen) == [f"{bob.name} 🎉"], "Ann sees it rise from Bob", 2, every=0.02)
    assert bob.run(risen) == ["You 🎉"]
    wait_until(lambda: ann.run(risen) == [], "it goes", 6)
    bob.click("React")
    bob.press("Escape")
    assert not bob.has("button", "React with 👍")
    assert bob.focused() == "React"


def test_the_link_of_the_room_is_copied_or_shown(enters, cluster, room):
    ann = enters("Ann", query="&lang=en")
    link = f"{cluster.url()}/room/{room}"
    ann.run("navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }; return true")
    ann.click("Copy link")
    ann.sees("Link copied")
    assert ann.run("return copied") == link, "without what was only for this visit"
    ann.run("navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }; return true")
    ann.click("Copy link")
    ann.sees(link)


def test_the_panel_counts_links_and_streams_against_theory_and_names_the_layer(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    ann.click("Details")

    def tables() -> dict[str, dict[str, list[str]]]:
        told = ann.run(
            "return [...document.querySelectorAll('#panel-body table')].map((table) => [table.caption.textContent,"
            "  [...table.rows].filter((row) => row.cells[0].scope === 'row').map((row) => [...row.cells].map((cell) => cell.textContent))])"
        )
        return {title: {name: values for name, *values in rows} for title, rows in told}

    counted = {"Links": ["1", "1"], "Streams up": ["1", "1"], "Streams down": ["1", "1"]}
    wait_until(lambda: tables().get("Counted against theory") == counted, "what is counted is what theory says", 40, seen=tables)
    ann.sees("Forwarded, a room of 2 has n² = 4 streams: n = 2 up and n(n − 1) = 2 down.")
    whole = tables()
    assert whole["To the node"]["Path"][0].startswith("Direct") and whole["To the node"]["Topology"] == ["forwarded"]
    assert list(whole["From you"])[2:5] == ["Layer h", "Layer m", "Layer l"], "the largest first"
    sizes = lambda: [" ".join(values) for name, values in tables()["From you"].items() if name.startswith("Layer")]  # noqa: E731
    wait_until(lambda: any(re.fullmatch(r"\d+ × \d+ · .*bit/s", each) for each in sizes()), "what Bob is shown has a size and a rate", 40, seen=tables)
    theirs = lambda: tables()[f"From {bob.name}"]  # noqa: E731
    wait_until(lambda: theirs().get("Layer", [None])[0] in ("h", "m", "l") and "×" in theirs()["Picture"][0], "what comes of Bob, and in which layer", 40, seen=tables)
    assert theirs()["Sound"][0].startswith("Opus")
    for title in ("From you", f"From {bob.name}"):
        assert re.fullmatch(r"\d+(\.\d)? %", tables()[title]["Loss"][0])

    link = lambda: tables()["To the node"]  # noqa: E731
    flows = lambda text: re.fullmatch(r"[\d.]+ [kM]bit/s", text) and not text.startswith("0 ")  # noqa: E731
    # A rate lies between two looks: the first has none.
    wait_until(lambda: flows(theirs()["Picture rate"][0]), "what Bob's picture takes", 40, seen=tables)
    wait_until(lambda: flows(link()["Up"][0]) and flows(link()["Down"][0]), "what goes up and down in all", 40, seen=tables)
    wait_until(lambda: re.fullmatch(r"(< )?\d+ ms", link()["Round trip"][0]), "how long a packet is on its way and back", 40, seen=tables)
    totals = lambda: tables().get("The node in all", {})  # noqa: E731
    wait_until(lambda: list(totals()) == ["Received", "Sent"] and all(map(flows, sum(totals().values(), []))), "what goes through the node in all", 40, seen=tables)
    heads = "const table = [...document.querySelectorAll('#panel-body table')].find((each) => each.caption.textContent === 'The node in all'); return [...table.querySelectorAll('th[scope=col]')].map((each) => each.textContent)"
    assert ann.run(heads) == ["2 s", "10 s", "40 s"]

    links = lambda: tables().get("Every link to the node", {})  # noqa: E731
    shape = [r"[\d.]+ [kM]bit/s\n[\d.]+ % lost"] * 2 + [r"(< )?\d+ ms"]
    told = lambda: [len(values) == 3 and all(map(re.fullmatch, shape, values)) for values in links().values()]  # noqa: E731
    wait_until(lambda: set(links()) == {f"{ann.name} (You)", bob.name} and all(told()), "how both links do, with rates, losses and round trips", 40, seen=tables)
    assert any(not each.startswith("0 ") for each in links()[bob.name][:2]), links()


def test_a_listener_sends_nothing_and_says_so_until_a_host_lets_it_speak(enters):
    ann, bob = enters("Ann", query="&topology=sfu"), enters("Bob", query="&role=listener")
    meets(ann, bob)
    opened = "return roost.local.stream.getTracks().length"
    bob.sees("You are a listener: you see and hear the others, and send nothing.")
    assert bob.run(opened) == 0
    for button in ("Mute microphone", "Unmute microphone", "Turn camera on", "Share screen"):
        assert not bob.has("button", button), button
    ann.click("People")
    ann.sees("Listener")
    ann.click(f"Let {bob.name} speak")
    bob.sees("You may speak")
    bob.click("Unmute microphone")
    ann.report_where(lambda r: r["members"][0]["audio"]["level"] > 0, "hears Bob", MEDIA_PATIENCE)
    ann.click(f"Let {bob.name} only listen")
    bob.sees("A host made you a listener")
    assert bob.run(opened) == 0
    ann.report_where(lambda r: not r["members"][0]["media"]["audio"], "is told that he is silent")
    ann.offers(f"Let {bob.name} speak")
    for tab in (ann, bob):
        assert serious_findings(tab) == []
    bob.click("Leave the room")
    bob.sees("You go in as a listener", "Nobody will see or hear you")
    assert bob.run(opened) == 0


def test_who_enters_again_goes_live_only_as_the_lobby_says(enters, wire, room):
    bob = enters("Bob")
    ann = wire("Ann")
    ann.ask("join", room=room, kind="room", topology="auto", media={"audio": False, "video": False, "screen": False})
    bob.report_where(lambda r: len(r["members"]) == 1, "Ann is there")
    bob.click("Leave the room")
    bob.sees("Your camera goes on as you enter", "Microphone and camera go on as you enter")
    bob.click("Turn microphone off")
    bob.sees("Your camera goes on as you enter, as when you left.")
    bob.click("Turn camera off")
    bob.sees("Your camera is off")
    bob.offers("Turn microphone on")
    bob.offers("Turn camera on")
    ann.heard.clear()
    bob.click("Enter again")
    joined = ann.hear("event", room=room, kind="joined")["member"]
    assert joined["media"] == {"audio": False, "video": False, "screen": False}
    bob.offers("Unmute microphone")
    bob.click("Unmute microphone")
    bob.click("Leave the room")
    bob.sees("Your microphone goes on as you enter")
    bob.offers("Turn microphone off")
    bob.offers("Turn camera on")
    assert serious_findings(bob) == []
    bob.click("Enter again")
    bob.offers("Mute microphone")
    bob.offers("Turn camera on")


def test_who_was_removed_is_offered_no_way_back(enters):
    ann, bob = enters("Ann"), enters("Bob")
    meets(ann, bob)
    ann.click("People")
    ann.click(f"Remove {bob.name}")
    ann.click(f"Really remove {bob.name}?")
    bob.sees("A host removed you from this room", "To the people")
    bob.offers_no("Enter again")


def test_alone_in_a_locked_room_one_is_not_told_to_send_its_address(enters):
    ann = enters("Ann")
    ann.sees("Send them the address of this page")
    ann.click("People")
    ann.click("Lock the room")
    ann.sees("unlock it before you send its address")
    ann.sees_no("Send them the address of this page")


def test_what_other_clients_say_is_shown_only_if_it_is_something(enters, wire, room):
    ann, bob = enters("Ann"), wire("Bob")
    bob.ask("join", room=room, kind="room", topology="auto", media={"audio": False, "video": False, "screen": False})

    def says(type: str, body: object) -> None:
        bob.ask("send", room=room, to=None, message={"type": type, "body": body})

    for body in (None, 5, {"a": [1]}, {"text": {"x": 1}}, {"text": ""}, [], True):
        says("chat", body)
    for emoji in ("<b>", "L" * 500, "hello", "👍 read this", "", 5):
        says("reaction", {"emoji": emoji})
    says("reaction", {"emoji": "👍🏽"})
    says("chat", {"text": "the end"})
    ann.offers("Chat, 1 new")
    ann.click("Chat, 1 new")
    ann.sees("the end")
    assert ann.run("return document.querySelectorAll('[data-testid=chat-line]').length") == 1
    drawn = ann.run("return [...document.querySelectorAll('.tile-reaction')].map((each) => each.textContent)")
    assert set(drawn) <= {"👍🏽"}
    assert "object Object" not in ann.text()


def test_what_was_read_is_not_new_after_a_reload(enters, wire, room, cluster):
    ann, bob = enters("Ann"), wire("Bob")
    bob.ask("join", room=room, kind="room", topology="auto", media={"audio": False, "video": False, "screen": False})
    bob.ask("send", room=room, to=None, message={"type": "chat", "body": {"text": "read"}})
    ann.click("Chat, 1 new")
    ann.sees("read")
    ann.open(f"{cluster.url()}/room/{room}?name={ann.name.replace(' ', '%20')}&join=1")
    ann.report_where(lambda r: r["room"] == room, "in the room again")
    ann.offers("Chat")
    bob.ask("send", room=room, to=None, message={"type": "chat", "body": {"text": "not read"}})
    ann.offers("Chat, 1 new")
