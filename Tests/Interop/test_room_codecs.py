"""Codecs in a room: each that a browser sends is forwarded so that it decodes, and a picture that a receiver has no codec for is named, not black."""

import pytest

from browsers import Tab
from rooms import meets, sees_and_hears_all
from taps import enter_tapped
from waiting import wait_until

pytestmark = pytest.mark.browser

# Keeps to one codec where the page sends pictures, or where it receives them; tells whether the browser has it.
KEEP_TO = """
  const [name, way] = ["%s", "%s"];
  const side = way === "sendonly" ? RTCRtpSender : RTCRtpReceiver;
  const kept = side.getCapabilities("video").codecs.filter((each) => [`video/${name}`, "video/rtx"].includes(each.mimeType));
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (what, init) {
    const made = add.call(this, what, init);
    if ((what.kind ?? what) === "video" && init.direction === way) {
      made.setCodecPreferences(kept);
      // The page has its own wish.
      made.setCodecPreferences = () => {};
    }
    return made;
  };
  return kept.some((each) => each.mimeType === `video/${name}`);
"""


@pytest.fixture
def enters(browser, cluster, room):
    """`enters("Ann", "VP9", "sendonly")` is somebody in the room who sends pictures as VP9 alone; with "recvonly", who decodes nothing else."""

    def enter(name: str, codec: str, way: str) -> Tab:
        tab = browser()
        return enter_tapped(tab, cluster.url(), room, name, KEEP_TO % (codec, way))

    return enter


RECEIVED = """
  const all = [...(await pcs.at(-1).getStats()).values()];
  return all.filter((each) => each.type === "inbound-rtp" && each.kind === "video" && each.framesDecoded > 0).map((each) => all.find(({ id }) => id === each.codecId)?.mimeType);
"""


@pytest.mark.parametrize("codec", ["VP9", "AV1"])
def test_a_picture_of_each_codec_decodes(enters, codec):
    ann, bob = enters("Ann", codec, "sendonly"), enters("Bob", "VP8", "sendonly")
    meets(ann, bob)
    sees_and_hears_all(bob, frames=3.0, pixels=320 * 180)
    assert bob.run(RECEIVED) == [f"video/{codec}"]
    sees_and_hears_all(ann, frames=3.0, pixels=320 * 180)
    assert ann.run(RECEIVED) == ["video/VP8"]


def test_who_cannot_decode_a_picture_is_told_so(enters):
    ann, bob = enters("Ann", "VP8", "sendonly"), enters("Bob", "VP9", "recvonly")
    meets(ann, bob)
    bob.sees("this browser cannot show the kind of video that comes")
    assert [m["video"]["reason"] for m in bob.report()["members"]] == ["codec"]
    sees_and_hears_all(ann, frames=3.0, pixels=320 * 180)
    assert bob.run(RECEIVED) == []
