import { transportName } from "./relay-protocol.js";

const emptyTrack = () => ({ codec: null, packets: 0, lost: 0, bytes: 0, loss: 0, bps: 0 });

/** The mean loudness since the sample before: what a glance at one instant would miss between two words. */
function loudness(track, old) {
  const energy = track.energy - (old?.energy ?? 0);
  const heard = track.heard - (old?.heard ?? 0);
  return energy > 0 && heard > 0 ? Math.min(Math.sqrt(energy / heard), 1) : 0;
}

/** One shape from what each browser reports; rates come from the difference to the sample before. */
export function readStatistics(report, before, videoTrack, farRelays) {
  const all = new Map();
  report.forEach((entry) => all.set(entry.id, entry));
  const now = performance.now();
  const seconds = before ? Math.max((now - before.at) / 1000, 0.05) : 0;
  const rate = (bytes, old) => (seconds && bytes >= old ? ((bytes - old) * 8) / seconds : 0);
  const codecOf = (entry) => all.get(entry.codecId)?.mimeType?.split("/")[1] ?? null;

  const sample = {
    at: now,
    path: null,
    protocol: null,
    localCandidate: null,
    remoteCandidate: null,
    relay: { here: null, there: null },
    rttMs: null,
    up: { bytes: 0, bps: 0 },
    down: { bytes: 0, bps: 0 },
    audio: { ...emptyTrack(), level: 0, jitterMs: 0 },
    video: { ...emptyTrack(), framesDecoded: 0, width: 0, height: 0, fps: 0, freezeCount: 0 },
    sent: {
      audio: { ...emptyTrack() },
      video: { ...emptyTrack(), framesEncoded: 0, width: 0, height: 0, fps: 0, limitedBy: null },
    },
  };

  let pair = null;
  for (const entry of all.values()) {
    if (entry.type === "transport" && entry.selectedCandidatePairId) pair = all.get(entry.selectedCandidatePairId) ?? pair;
  }
  if (!pair) {
    // Firefox names no transport in some versions; the pair in use is nominated and carries the most.
    for (const entry of all.values()) {
      if (entry.type !== "candidate-pair" || !(entry.selected || (entry.nominated && entry.state === "succeeded"))) continue;
      if (!pair || (entry.bytesReceived ?? 0) > (pair.bytesReceived ?? 0)) pair = entry;
    }
  }
  if (pair) {
    const near = all.get(pair.localCandidateId);
    const far = all.get(pair.remoteCandidateId);
    sample.localCandidate = near?.candidateType ?? null;
    sample.remoteCandidate = far?.candidateType ?? null;
    sample.protocol = near?.relayProtocol ?? near?.protocol ?? null;
    const farRelay = `${far?.address ?? far?.ip}:${far?.port}`;
    if (near?.candidateType === "relay") sample.relay.here = { protocol: transportName(near.relayProtocol), url: near.url || null };
    // Until the other's candidate has come by way of signal, its relay looks like any address that packets come from.
    if (far?.candidateType === "relay" || farRelays.has(farRelay)) sample.relay.there = { protocol: farRelays.get(farRelay) ?? null };
    sample.path = sample.relay.here || sample.relay.there ? "relayed" : "direct";
    if (typeof pair.currentRoundTripTime === "number") sample.rttMs = pair.currentRoundTripTime * 1000;
  }

  for (const entry of all.values()) {
    if (entry.type === "inbound-rtp") {
      const track = sample[entry.kind ?? entry.mediaType];
      if (!track) continue;
      track.packets += entry.packetsReceived ?? 0;
      track.lost += Math.max(entry.packetsLost ?? 0, 0);
      track.bytes += (entry.bytesReceived ?? 0) + (entry.headerBytesReceived ?? 0);
      track.codec = codecOf(entry) ?? track.codec;
      if (track === sample.audio) {
        track.energy = entry.totalAudioEnergy ?? 0;
        track.heard = entry.totalSamplesDuration ?? 0;
        track.level = Math.max(entry.audioLevel ?? 0, loudness(track, before?.audio));
        track.jitterMs = (entry.jitter ?? 0) * 1000;
      } else {
        track.framesDecoded += entry.framesDecoded ?? 0;
        track.freezeCount += entry.freezeCount ?? 0;
        track.width = entry.frameWidth || track.width;
        track.height = entry.frameHeight || track.height;
        track.fps = entry.framesPerSecond ?? track.fps;
      }
    } else if (entry.type === "outbound-rtp") {
      const track = sample.sent[entry.kind ?? entry.mediaType];
      if (!track) continue;
      track.packets += entry.packetsSent ?? 0;
      track.bytes += (entry.bytesSent ?? 0) + (entry.headerBytesSent ?? 0);
      track.codec = codecOf(entry) ?? track.codec;
      if (track === sample.sent.video) {
        track.framesEncoded += entry.framesEncoded ?? 0;
        track.width = entry.frameWidth || track.width;
        track.height = entry.frameHeight || track.height;
        track.fps = entry.framesPerSecond ?? track.fps;
        const reason = entry.qualityLimitationReason;
        track.limitedBy = reason && reason !== "none" ? reason : null;
      }
    } else if (entry.type === "remote-inbound-rtp") {
      const track = sample.sent[entry.kind ?? entry.mediaType];
      if (track && typeof entry.fractionLost === "number") track.loss = Math.max(entry.fractionLost, 0);
      if (sample.rttMs === null && typeof entry.roundTripTime === "number") sample.rttMs = entry.roundTripTime * 1000;
    }
  }

  for (const [track, old] of [
    [sample.audio, before?.audio],
    [sample.video, before?.video],
    [sample.sent.audio, before?.sent.audio],
    [sample.sent.video, before?.sent.video],
  ]) {
    if (!old) continue;
    track.bps = rate(track.bytes, old.bytes);
    track.flowing = track.packets > old.packets;
    if (track === sample.audio || track === sample.video) {
      const lost = Math.max(track.lost - old.lost, 0);
      const came = Math.max(track.packets - old.packets, 0);
      track.loss = lost + came > 0 ? lost / (lost + came) : 0;
    }
  }
  if (sample.video.width === 0 && videoTrack && sample.video.framesDecoded > 0) {
    const { width = 0, height = 0 } = videoTrack.getSettings();
    Object.assign(sample.video, { width, height });
  }
  if (!sample.video.fps && before && seconds) {
    sample.video.fps = Math.max(sample.video.framesDecoded - before.video.framesDecoded, 0) / seconds;
  }
  sample.up.bytes = sample.sent.audio.bytes + sample.sent.video.bytes;
  sample.down.bytes = sample.audio.bytes + sample.video.bytes;
  sample.up.bps = before ? rate(sample.up.bytes, before.up.bytes) : 0;
  sample.down.bps = before ? rate(sample.down.bytes, before.down.bytes) : 0;
  return sample;
}
