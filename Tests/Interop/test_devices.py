"""Camera, microphone and speaker as a person meets them: looked at before, chosen, pulled out, plugged in, refused."""

import secrets

import pytest

from calls import call, hears
from rooms import enter, meets
from waiting import wait_until

pytestmark = pytest.mark.browser

# The machine's devices, as long as the test says nothing else: `devices` changes what the browser tells, `refusal` what asking gives.
MACHINE = """
  const told = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
  const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  Object.assign(globalThis, { without: null, refusal: null, extra: [] });
  navigator.mediaDevices.enumerateDevices = async () => [...(await told()).filter((each) => each.kind !== without), ...extra];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (refusal && wanted.audio) throw new DOMException("as the test says", refusal);
    return given(wanted);
  };
  return true;
"""


def plugs(tab, script: str) -> None:
    """Something is plugged in or out: the browser says so."""
    tab.run(f"{script}; navigator.mediaDevices.dispatchEvent(new Event('devicechange')); return true")


def choose(tab, kind: str, at: int) -> str:
    """Chooses in the open dialog by the keyboard; gives back the device's id."""
    select = f"document.querySelector('[data-testid=device-{kind}]')"
    wait_until(lambda: tab.run(f"return {select}.options.length") > at, f"there are {at + 1} to choose from", seen=tab.describe)
    tab.run(f"{select}.focus(); return true")
    tab.press(*["ArrowDown"] * (at - int(tab.run(f"return {select}.selectedIndex"))))
    wait_until(lambda: tab.run(f"return {select}.selectedIndex") == at, f"number {at} is chosen")
    return str(tab.run(f"return {select}.value"))


def test_the_lobby_shows_and_hears_oneself_and_takes_another_camera(browser, cluster, room):
    ann = browser()
    ann.open(f"{cluster.url()}/room/{room}?name=Ann%20{secrets.token_hex(2)}")

    def moves() -> bool:
        shown = "const v = document.getElementById('preview-video'); return v.checkVisibility() && v.videoWidth > 0 ? v.currentTime : 0"
        before = ann.run(shown)
        return before > 0 and ann.run(f"await new Promise((resolve) => setTimeout(resolve, 200)); {shown}") > before

    wait_until(moves, "one sees oneself", seen=ann.describe)
    # The made-up microphone beeps once a second: the level goes up and down.
    level = "return document.getElementById('preview-meter').value"
    wait_until(lambda: ann.run(level) > 0.1, "the level goes up", every=0.02)
    wait_until(lambda: ann.run(level) < 0.05, "and down", every=0.02)

    ann.click("Camera, microphone and speaker")
    # Chromium's second made-up camera delivers pictures that its own encoder drops; the third is fine.
    chosen = choose(ann, "videoinput", 2)
    ann.click("Done")
    wait_until(lambda: ann.run("return roost.local.video.track?.getSettings().deviceId") == chosen, "the third camera is in use", seen=ann.describe)
    wait_until(moves, "one sees oneself through it", seen=ann.describe)

    ann.click("Turn camera off")
    ann.sees("Your camera is off")
    ann.click("Turn microphone off")
    ann.offers("Turn microphone on")
    assert not ann.run("return document.getElementById('preview-meter').checkVisibility()")
    ann.click("Turn camera on")
    wait_until(moves, "one sees oneself again", seen=ann.describe)
    # So as one left the lobby one is in the room.
    ann.click("Enter the room")
    ann.report_where(lambda r: r["room"] == room, "in the room")
    ann.offers("Unmute microphone")
    ann.offers("Turn camera off")
    assert ann.run("return roost.local.video.track.getSettings().deviceId") == chosen


@pytest.mark.parametrize("where", ["call", "room"])
def test_another_microphone_and_speaker_are_used_at_once(browser, cluster, person, room, where):
    if where == "call":
        ann, bob = person("Ann"), person("Bob")
        call(ann, bob)
    else:
        ann, bob = (enter(browser(), cluster.url(), room, name) for name in ("Ann", "Bob"))
        meets(ann, bob)
    hears(bob)
    ann.click("Devices")
    microphone, speaker = choose(ann, "audioinput", 2), choose(ann, "audiooutput", 2)
    ann.click("Done")
    wait_until(lambda: ann.run("return roost.local.audio.track?.getSettings().deviceId") == microphone, "the microphone is in use", seen=ann.describe)
    wait_until(lambda: ann.run("return document.querySelector('[data-testid=tile] audio').sinkId") == speaker, "the speaker is in use", seen=ann.describe)
    hears(bob)
    # It is remembered for the next time.
    assert ann.run("return JSON.parse(localStorage.getItem('roost.devices'))") == {"audioinput": microphone, "audiooutput": speaker}


def test_what_is_pulled_out_is_told_and_what_is_plugged_in_is_used(browser, cluster, room):
    ann, bob = browser(), enter(browser(), cluster.url(), room, "Bob")
    ann.name = f"Ann {secrets.token_hex(2)}"
    ann.open(f"{cluster.url()}/room/{room}?name={ann.name.replace(' ', '%20')}")
    ann.run(MACHINE)
    ann.click("Enter the room")
    meets(bob, ann)
    hears(bob)
    # Another one appears in the list while one looks at it.
    ann.click("Devices")
    ann.offers("Microphone", role="combobox")
    options = "return [...document.querySelector('[data-testid=device-audioinput]').options].map((each) => each.text)"
    plugs(ann, "extra.push({ kind: 'audioinput', deviceId: 'usb', label: 'A microphone of USB' })")
    wait_until(lambda: "A microphone of USB" in ann.run(options), "it is in the list", seen=ann.describe)
    plugs(ann, "extra.length = 0")
    wait_until(lambda: "A microphone of USB" not in ann.run(options), "it is gone from the list", seen=ann.describe)
    ann.click("Done")

    plugs(ann, "without = 'audioinput'; refusal = 'NotFoundError'; const { track } = roost.local.audio; track.stop(); track.dispatchEvent(new Event('ended'))")
    ann.sees("Your microphone was unplugged", "No microphone found: others cannot hear you. Plug one in and it is used at once.")
    bob.report_where(lambda r: r["members"][0]["media"]["audio"] is False, "Bob sees that Ann is mute")
    plugs(ann, "without = refusal = null")
    ann.sees_no("No microphone found")
    ann.offers("Mute microphone")
    hears(bob)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ("NotAllowedError", "The microphone is not allowed: others cannot hear you. Allow it beside the address, then unmute."),
        ("NotReadableError", "The microphone is held by another program: others cannot hear you. Close that program, then unmute."),
        ("NotFoundError", "No microphone found: others cannot hear you."),
    ],
)
def test_why_there_is_no_microphone_is_said_with_what_to_do(browser, cluster, room, refusal, words):
    ann = browser()
    ann.open(f"{cluster.url()}/room/{room}?name=Ann%20{secrets.token_hex(2)}")
    wait_until(lambda: ann.run("return roost.local.audio.state") == "on", "the lobby has what there is")
    ann.run(MACHINE)
    ann.run("await roost.local.close(); refusal = arguments[0]; await roost.local.open({ audio: true, video: true }); return true", refusal)
    ann.sees(words, "You can enter without camera and microphone")
    ann.click("Enter the room")
    ann.sees(words)
    ann.run("refusal = null; return true")
    ann.click("Unmute microphone")
    ann.sees_no(words)
    ann.offers("Mute microphone")
