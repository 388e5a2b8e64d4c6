"""What a person can do in a call: mute, camera, screen, devices, the panel of figures; and calls without a camera."""

import pytest

from calls import accept, call, connected, hears, idle, ring, sees_picture
from waiting import wait_until

pytestmark = pytest.mark.browser


def test_microphone_and_camera_go_off_and_on(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    hears(bob)
    sees_picture(bob)

    ann.click("Mute microphone")
    ann.offers("Unmute microphone")
    bob.report_where(lambda r: r["members"][0]["media"]["audio"] is False, "Bob is told that Ann is mute")
    bob.run("window.quiet = 0; return true")

    def silent() -> bool:
        level = bob.report()["members"][0]["audio"]["level"]
        count = bob.run("return window.quiet = arguments[0] < 0.001 ? window.quiet + 1 : 0", level)
        return count > 12

    wait_until(silent, "Bob hears nothing", every=0.1, seen=bob.describe)
    ann.click("Unmute microphone")
    hears(bob)

    ann.click("Turn camera off")
    bob.report_where(lambda r: r["members"][0]["media"]["video"] is False, "Bob is told that Ann's camera is off")
    ann.click("Turn camera on")
    bob.report_where(lambda r: r["members"][0]["media"]["video"] is True, "Bob is told that Ann's camera is on")
    sees_picture(bob)


def test_a_screen_is_shared_and_taken_back(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(bob)
    ann.click("Share screen")
    ann.offers("Stop sharing screen")
    bob.sees(f"{ann.name} shares a screen")
    sees_picture(bob)
    ann.click("Stop sharing screen")
    bob.sees_no(f"{ann.name} shares a screen")
    sees_picture(bob)


def test_a_voice_caller_can_share_a_screen(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob, video=False)
    ann.click("Share screen")
    bob.sees(f"{ann.name} shares a screen")
    sees_picture(bob)


def test_another_camera_can_be_chosen_during_a_call(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    ann.click("Devices")
    ann.offers("Camera", role="combobox")
    # The browser tells the devices a moment after the dialog is there.
    wait_until(
        lambda: ann.run("return document.querySelector('[data-testid=device-videoinput]').options.length") == 3,
        "three made-up cameras are to be chosen from", seen=ann.describe,
    )  # fmt: skip
    ann.run("document.querySelector('[data-testid=device-videoinput]').focus(); return true")
    # Chromium's second made-up camera delivers pictures (Y16) that its own encoder drops; the third is fine.
    ann.press("ArrowDown", "ArrowDown")
    wait_until(
        lambda: ann.run("return document.querySelector('[data-testid=device-videoinput]').selectedIndex") == 2, "the third is chosen"
    )
    ann.click("Done")
    wait_until(
        lambda: "fake_device_2" in str(ann.run("return window.roost.local.video.track?.label ?? ''")), "the third camera is in use",
        seen=ann.describe,
    )  # fmt: skip
    sees_picture(bob)


def test_the_panel_shows_how_the_call_is_doing(person):
    ann, bob = person("Ann"), person("Bob")
    call(ann, bob)
    sees_picture(ann)
    ann.click("Call details")
    ann.sees("Round trip", "Direct", "Counted against theory", "n² − n = 2")
    wait_until(lambda: any(c in ann.text() for c in ("VP8", "VP9", "H264", "AV1")), "the codec is shown", seen=ann.describe)
    wait_until(lambda: "opus" in ann.text().lower(), "the sound's codec is shown", seen=ann.describe)
    wait_until(lambda: any(u in ann.text() for u in ("kbit/s", "Mbit/s")), "the rate is shown", seen=ann.describe)
    wait_until(lambda: ann.report()["up"]["bps"] > 0 and ann.report()["down"]["bps"] > 0, "both ways carry bits")
    assert ann.report()["rttMs"] is not None


def test_someone_who_refuses_camera_and_microphone_still_calls(person):
    ann, bob = person("Ann", "chromium refusing"), person("Bob")
    ring(ann, bob)
    accept(bob)
    connected(ann)
    connected(bob)
    ann.sees("not allowed")
    sees_picture(ann)
    hears(ann)
    bob.report_where(
        lambda r: r["members"][0]["media"] == {"audio": False, "video": False, "screen": False}, "Bob is told that nothing comes from Ann"
    )


def test_someone_without_devices_still_answers(person):
    ann, bob = person("Ann"), person("Bob", "chromium deviceless")
    ring(ann, bob)
    accept(bob)
    connected(ann)
    bob.sees("No camera")
    sees_picture(bob)
    ann.report_where(lambda r: r["members"][0]["media"]["video"] is False, "Ann is told that Bob has no camera")


def test_two_who_both_refuse_are_connected_all_the_same(person):
    """They have nothing to send, and addresses hidden behind mDNS names; they find each other by STUN."""
    ann, bob = person("Ann", "chromium deviceless"), person("Bob", "chromium deviceless")
    ring(ann, bob)
    accept(bob)
    connected(ann)
    connected(bob)
    bob.click("Hang up")
    ann.sees(f"{bob.name} hung up")


def test_a_screen_chosen_after_the_call_is_not_captured_nor_sent_in_the_next(person, wire):
    ann, bob = person("Ann"), wire("Bob")
    name = bob.session["name"]
    ann.run(
        "navigator.mediaDevices.getDisplayMedia = () => new Promise((resolve) => {"
        "  globalThis.pick = () => { const stream = document.createElement('canvas').captureStream(); resolve(stream); return stream; };"
        "}); return true"
    )
    ann.click(f"Call {name} with video")
    bob.hear("ring")
    ann.click("Share screen")
    wait_until(lambda: ann.run("return typeof pick === 'function'"), "the browser asks which screen")
    ann.click("Cancel call")
    idle(ann)
    assert ann.run("const [track] = pick().getTracks(); await new Promise((resolve) => setTimeout(resolve)); return track.readyState") == "ended"
    assert ann.run("return roost.local.flags.screen") is False
    ann.click(f"Call {name} with video")
    bob.hear("ring")
    ann.offers("Share screen")
