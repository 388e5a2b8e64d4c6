"""The page of a room, by what a person sees there: outside its door, inside, and after it."""

import secrets

import pytest

from page import serious_findings
from rooms import MEDIA_PATIENCE, enter, meets
from waiting import wait_until
from wire import room_id

pytestmark = pytest.mark.browser

MEDIA = {"audio": True, "video": True, "screen": False}


@pytest.fixture
def room() -> str:
    return f"green-{secrets.token_hex(3)}"


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann", "firefox")` is somebody who followed the room's link."""
    return lambda name, kind="chromium", query="": enter(browser(kind), cluster.url(), room, name, query)


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
    const video = tile.querySelector("video");
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
  globalThis.black = [];
  const known = new Set();
  const look = () => {
    for (const tile of document.querySelectorAll("[data-testid=tile].has-picture")) {
      const video = tile.querySelector("video");
      const name = tile.getAttribute("aria-label");
      if (video.readyState >= 2) known.add(name);
      else if (known.has(name)) black.push(name);
    }
    requestAnimationFrame(look);
  };
  look();
  return true;
"""


def test_no_picture_is_black_while_a_room_grows_and_shrinks(enters):
    """In a room of topology `auto` media goes over to a node with the third, and back when two are left."""
    auto = "&topology=auto"
    ann, bob = enters("Ann", "chromium calm", auto), enters("Bob", "chromium calm", auto)
    wait_until(lambda: ann.run(SHOWN).get(bob.name), "Ann sees Bob", MEDIA_PATIENCE, seen=ann.describe)
    ann.run(BLACK)
    cem = enters("Cem", "chromium calm", auto)
    through_node = "return roost.members.length === 2 && roost.members.every((each) => !each.straight && each.stream)"
    wait_until(lambda: ann.run(through_node), "a node carries all", MEDIA_PATIENCE, seen=ann.describe)
    wait_until(lambda: all(ann.run(SHOWN).values()), "Ann sees both", MEDIA_PATIENCE, seen=ann.describe)
    cem.click("Leave the room")
    straight = "return roost.members.length === 1 && roost.members[0].straight && roost.statistics().sent === undefined"
    wait_until(lambda: ann.run(straight), "straight again", 40, seen=ann.describe)
    frames = ann.report()["members"][0]["video"]["framesDecoded"]
    ann.report_where(lambda r: r["members"][0]["video"]["framesDecoded"] > frames + 10, "Bob's picture moves")
    assert ann.run("return black") == []
