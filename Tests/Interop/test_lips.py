"""Lips: through the node a member's sound and picture play what was taken at the same moment."""

import statistics

import pytest

from rooms import meets, sees_and_hears_all
from taps import enter_tapped
from waiting import wait_until

# Within this people take a voice for the mouth's that they see.
LIMIT_MS = 80
LOOKS = 20

# How much later in its sender's clock the sound is that plays now than the picture, in ms; null while the browser does not know.
APART = """
  const playing = {};
  for (const entry of (await pcs.at(-1).getStats()).values()) {
    if (entry.type === 'inbound-rtp' && entry.packetsReceived > 0 && entry.estimatedPlayoutTimestamp) playing[entry.kind] = entry.estimatedPlayoutTimestamp;
  }
  return playing.audio && playing.video ? playing.audio - playing.video : null;
"""

# A network that delivers sound late looks like this to a browser: it keeps sound back for so long. The picture must wait for it.
LATE_SOUND = """
  for (const { receiver } of pcs.at(-1).getTransceivers()) {
    if (receiver.track.kind === 'audio' && receiver.getSynchronizationSources().length) receiver.jitterBufferTarget = 500;
  }
  return true;
"""


@pytest.mark.browser
def test_lips_move_with_the_voice_through_the_node(browser, cluster, room):
    ann, bob = (enter_tapped(browser(), cluster.url(), room, name) for name in ("Ann", "Bob"))
    meets(ann, bob)
    sees_and_hears_all(ann)
    for script in ("return true", LATE_SOUND):
        ann.run(script)
        apart: list[float] = []

        def together() -> bool:
            told = ann.run(APART)
            if told is not None:
                apart.append(told)
            return len(apart) >= LOOKS and abs(statistics.median(apart[-LOOKS:])) <= LIMIT_MS

        # The browser comes nearer by 80 ms a second.
        wait_until(together, "sound and picture play together", 45.0, every=0.25, seen=lambda: [round(ms) for ms in apart])
        print([round(ms) for ms in apart])
