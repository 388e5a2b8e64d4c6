/** What getStats says of the connection to a node, by member and by what is sent. Specification: W3C webrtc-stats. */

const emptyTrack = () => ({ codec: null, packets: 0, lost: 0, bytes: 0, loss: 0, bps: 0, flowing: false });

const newSample = () => ({
  audio: { ...emptyTrack(), jitterMs: 0 },
  video: { ...emptyTrack(), framesDecoded: 0, width: 0, height: 0, fps: 0, freezeCount: 0 },
  screen: { ...emptyTrack(), framesDecoded: 0, width: 0, height: 0, fps: 0, freezeCount: 0 },
  screenAudio: emptyTrack(),
});

const TRACKS = { microphone: "audio", camera: "video", screen: "screen", "screen-audio": "screenAudio" };

/** Figures of one connection; rates come from the difference to the sample before. */
export class RoomStatistics {
  /** The pair of candidates in use: {rttMs, path, protocol}, or null. */
  link = null;
  sent = { audio: emptyTrack(), video: emptyTrack(), screen: emptyTrack() };

  #rids;
  #before = new Map();
  #sampledAt = 0;

  /** `rids`: the camera's layers, in the order in which they are shown. */
  constructor(rids) {
    this.#rids = rids;
  }

  /** Milliseconds since the newest sample. */
  get age() {
    return performance.now() - this.#sampledAt;
  }

  /** Another connection. */
  reset() {
    this.#before.clear();
  }

  /** This section carries another member from now on. */
  forget(mid) {
    this.#before.delete(mid);
  }

  /** Takes a report. Returns each member's sample, by its id; `slots` says who is on which section, `senders` what is ours. */
  read(report, transceivers, slots, senders) {
    const all = new Map();
    report.forEach((entry) => all.set(entry.id, entry));
    const now = performance.now();
    const seconds = Math.max((now - this.#sampledAt) / 1_000, 0.05);
    this.#sampledAt = now;
    const samples = new Map();
    const sent = { audio: emptyTrack(), video: { ...emptyTrack(), layers: [] }, screen: { ...emptyTrack(), layers: [] } };
    const mids = new Map(transceivers.flatMap((each) => [[each.receiver.track.id, each.mid], [each.sender.track?.id, each.mid]]));
    const midOf = (entry) => entry.mid ?? mids.get(entry.trackIdentifier) ?? mids.get(all.get(entry.mediaSourceId)?.trackIdentifier);
    const codecOf = (entry) => all.get(entry.codecId)?.mimeType?.split("/")[1] ?? null;
    for (const entry of all.values()) {
      if (entry.type === "inbound-rtp") this.#readReceived(entry, midOf(entry), codecOf(entry), slots, samples, seconds);
      else if (entry.type === "outbound-rtp") this.#readSent(entry, midOf(entry), codecOf(entry), senders, sent, seconds);
      else if (entry.type === "remote-inbound-rtp") {
        const track = (entry.kind ?? entry.mediaType) === "audio" ? sent.audio : sent.video;
        track.loss = Math.max(track.loss, entry.fractionLost ?? 0);
      }
    }
    const size = ({ rid }) => this.#rids.indexOf(rid);
    sent.video.layers.sort((a, b) => size(a) - size(b));
    this.sent = sent;
    this.link = this.#readLink(all);
    return samples;
  }

  #readReceived(entry, mid, codec, slots, samples, seconds) {
    const slot = slots.get(mid);
    if (!slot) return;
    const sample = samples.get(slot.member) ?? newSample();
    samples.set(slot.member, sample);
    const now = {
      packets: entry.packetsReceived ?? 0,
      lost: Math.max(entry.packetsLost ?? 0, 0),
      bytes: (entry.bytesReceived ?? 0) + (entry.headerBytesReceived ?? 0),
      frames: entry.framesDecoded ?? 0,
      freezes: entry.freezeCount ?? 0,
    };
    const kept = this.#before.get(mid) ?? { first: now, last: now };
    this.#before.set(mid, { first: kept.first, last: now });
    const { first, last } = kept;
    const track = sample[TRACKS[slot.source]];
    if (!track) return;
    const came = now.packets - last.packets;
    const lost = Math.max(now.lost - last.lost, 0);
    Object.assign(track, {
      codec,
      packets: now.packets - first.packets,
      lost: Math.max(now.lost - first.lost, 0),
      bytes: now.bytes - first.bytes,
      bps: ((now.bytes - last.bytes) * 8) / seconds,
      loss: came + lost > 0 ? lost / (came + lost) : 0,
      flowing: came > 0,
      jitterMs: (entry.jitter ?? 0) * 1_000,
    });
    if (entry.kind === "video") {
      Object.assign(track, {
        framesDecoded: now.frames - first.frames,
        width: entry.frameWidth ?? 0,
        height: entry.frameHeight ?? 0,
        fps: entry.framesPerSecond ?? Math.round((now.frames - last.frames) / seconds),
        freezeCount: now.freezes - first.freezes,
      });
    }
  }

  #readSent(entry, mid, codec, senders, sent, seconds) {
    const isScreen = mid === senders.screen?.mid || mid === senders["screen-audio"]?.mid;
    const track = isScreen ? sent.screen : entry.kind === "audio" ? sent.audio : sent.video;
    const bytes = (entry.bytesSent ?? 0) + (entry.headerBytesSent ?? 0);
    const last = this.#before.get(`sent ${entry.ssrc}`) ?? { bytes, packets: entry.packetsSent ?? 0 };
    this.#before.set(`sent ${entry.ssrc}`, { bytes, packets: entry.packetsSent ?? 0 });
    const bps = Math.max(((bytes - last.bytes) * 8) / seconds, 0);
    track.codec = codec ?? track.codec;
    track.packets += entry.packetsSent ?? 0;
    track.bytes += bytes;
    track.bps += bps;
    track.flowing ||= (entry.packetsSent ?? 0) > last.packets;
    track.layers?.push({ rid: entry.rid ?? null, width: entry.frameWidth ?? 0, height: entry.frameHeight ?? 0, bps, active: entry.active ?? bps > 0 });
  }

  #readLink(all) {
    let pair = null;
    for (const entry of all.values()) {
      if (entry.type === "transport" && entry.selectedCandidatePairId) pair = all.get(entry.selectedCandidatePairId) ?? pair;
      else if (entry.type === "candidate-pair" && entry.selected) pair ??= entry;
    }
    if (!pair) return null;
    const near = all.get(pair.localCandidateId);
    return {
      rttMs: typeof pair.currentRoundTripTime === "number" ? pair.currentRoundTripTime * 1_000 : null,
      path: near?.candidateType === "relay" ? "relayed" : "direct",
      protocol: near?.relayProtocol ?? near?.protocol ?? null,
    };
  }
}
