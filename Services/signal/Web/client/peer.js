import { readStatistics } from "./peer-statistics.js";
import { relayProtocolOf, transportName } from "./relay-protocol.js";

/** A "disconnected" path often heals by itself (one lost check); past this it is restarted. */
const DISCONNECTED_GRACE_MS = 2_500;

/**
 * The media between this page and one other member: perfect negotiation (W3C webrtc-pc §10.7), trickled candidates, and
 * an ICE restart whenever the path looks broken.
 *
 * Who was in the room first makes the first offer, and it alone makes transceivers, so there is nothing to collide over
 * at the start. Both transceivers are always there, sending or not: cameras come and go by replaceTrack, without SDP.
 */
export class Peer {
  /** "new" | "connecting" | "connected" | "reconnecting" | "failed" */
  state = "new";
  stream = new MediaStream();
  level = 0;
  sample = null;

  #media;
  #hooks;
  #polite;
  #first;
  #makingOffer = false;
  #ignoringOffer = false;
  #answerPending = false;
  #inbox = Promise.resolve();
  #outbox = Promise.resolve();
  #senders = { audio: null, video: null };
  #receivers = { audio: null, video: null };
  #grace = null;
  #levels = [];
  #bps = 0;
  /** How the other member reaches its relays, by their address: the browser here knows that they are relays, and no more. */
  #farRelays = new Map();

  /** `link` names this life of the connection: after a page was reloaded, what its former life sent is dropped. */
  constructor({ member, link, polite, first, configuration, media, hooks }) {
    Object.assign(this, { member, link });
    this.#media = media;
    this.#hooks = hooks;
    this.#polite = polite;
    this.#first = first;
    const pc = new RTCPeerConnection(configuration);
    this.pc = pc;
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => {
      // One after the other: the end of candidates must not overtake one that the statistics are asked about.
      this.#outbox = this.#outbox.then(() => this.#sendCandidate(candidate)).catch((error) => this.#hooks.problem(this, error));
    };
    pc.onconnectionstatechange = () => this.#stateChanged();
    pc.oniceconnectionstatechange = () => this.#stateChanged();
    pc.ontrack = ({ track, receiver }) => this.#gained(track, receiver);
    if (first) {
      this.#adopt(pc.addTransceiver("audio", { direction: "sendrecv", streams: [media.stream] }));
      this.#adopt(pc.addTransceiver("video", { direction: "sendrecv", streams: [media.stream] }));
    }
  }

  /** Takes a message of the other member. One after the other: a candidate must not overtake its description. */
  receive(type, body) {
    this.#inbox = this.#inbox
      .then(() => (type === "description" ? this.#description(body) : this.#candidate(body)))
      .catch((error) => this.#hooks.problem(this, error));
    return this.#inbox;
  }

  /** The other end closed its connection properly, as a browser does for a page that goes (not always in time). */
  get isClosedThere() {
    return this.#senders.audio?.transport?.state === "closed";
  }

  /** Local tracks changed: send what there is now. */
  async useTracks() {
    for (const kind of ["audio", "video"]) {
      const sender = this.#senders[kind];
      const track = this.#media.outgoing(kind);
      if (!sender || sender.track === track || this.pc.signalingState === "closed") continue;
      try {
        await sender.replaceTrack(track);
      } catch (error) {
        this.#hooks.problem(this, error);
      }
    }
  }

  /** The network changed, or the path is dead: find another one, under new credentials if there are any. */
  restart(configuration) {
    if (this.pc.signalingState === "closed" || this.pc.remoteDescription === null) return;
    try {
      if (configuration) this.pc.setConfiguration(configuration);
    } catch {
      // A browser that refuses new servers in mid-life still restarts with the old ones.
    }
    this.pc.restartIce();
  }

  /** Shares one uplink among as many copies as there are other members. */
  async limitTo(bps) {
    const sender = this.#senders.video;
    if (!sender || this.#bps === bps) return;
    this.#bps = bps;
    try {
      const parameters = sender.getParameters();
      if (!parameters.encodings?.length) return;
      parameters.encodings[0].maxBitrate = bps;
      await sender.setParameters(parameters);
    } catch {
      this.#bps = 0;
    }
  }

  /** How loud the member is, 0 to 1, from the last packets; kept for 1.5 s so that pauses between words don't read as silence. */
  measureLevel(now) {
    let level = 0;
    try {
      for (const source of this.#receivers.audio?.getSynchronizationSources?.() ?? []) level = Math.max(level, source.audioLevel ?? 0);
    } catch {
      // Not offered here; the level from getStats (in `takeSample`) serves instead.
    }
    this.#noteLevel(level, now);
    return level;
  }

  takeSampleIfOlderThan(ms) {
    return this.sample && performance.now() - this.sample.at < ms ? this.sample : this.takeSample().catch(() => this.sample);
  }

  async takeSample() {
    if (this.pc.signalingState === "closed") return this.sample;
    this.sample = readStatistics(await this.pc.getStats(), this.sample, this.#receivers.video?.track, this.#farRelays);
    this.#noteLevel(this.sample.audio.level, performance.now());
    this.sample.audio.level = this.level;
    return this.sample;
  }

  close() {
    clearTimeout(this.#grace);
    this.pc.onnegotiationneeded = this.pc.onicecandidate = this.pc.onconnectionstatechange = null;
    this.pc.oniceconnectionstatechange = this.pc.ontrack = null;
    this.pc.close();
  }

  #noteLevel(level, now) {
    if (level > 0) this.#levels.push({ level, now });
    while (this.#levels.length > 0 && now - this.#levels[0].now > 1_500) this.#levels.shift();
    this.level = this.#levels.reduce((most, each) => Math.max(most, each.level), 0);
  }

  #send(type, body) {
    // `null` ends the candidates; it carries no link and needs none.
    this.#hooks.send(this, type, body === null ? null : { ...body, link: this.link });
  }

  async #sendCandidate(candidate) {
    if (!candidate) return this.#send("candidate", null);
    const relayProtocol = candidate.type === "relay" ? ((await relayProtocolOf(this.pc, candidate)) ?? undefined) : undefined;
    return this.#send("candidate", { ...candidate.toJSON(), relayProtocol });
  }

  #adopt(transceiver) {
    const { kind } = transceiver.receiver.track;
    if (this.#senders[kind]) return;
    this.#senders[kind] = transceiver.sender;
    if (transceiver.direction === "recvonly" || transceiver.direction === "inactive") transceiver.direction = "sendrecv";
    transceiver.sender.setStreams?.(this.#media.stream);
    const track = this.#media.outgoing(kind);
    if (track) transceiver.sender.replaceTrack(track).catch((error) => this.#hooks.problem(this, error));
  }

  #gained(track, receiver) {
    this.#receivers[track.kind] = receiver;
    for (const old of this.stream.getTracks()) if (old.kind === track.kind && old !== track) this.stream.removeTrack(old);
    this.stream.addTrack(track);
    // A conversation wants the least delay that the network allows, not the smoothest playback.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    track.addEventListener("unmute", () => this.#hooks.changed());
    this.#hooks.changed();
  }

  async #offer() {
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#sendDescription();
    } catch (error) {
      this.#hooks.problem(this, error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription() {
    const { type, sdp } = this.pc.localDescription;
    this.#send("description", { type, sdp });
  }

  async #description({ type, sdp }) {
    const { pc } = this;
    const ready = !this.#makingOffer && (pc.signalingState === "stable" || this.#answerPending);
    this.#ignoringOffer = !this.#polite && type === "offer" && !ready;
    if (this.#ignoringOffer) return;
    this.#answerPending = type === "answer";
    try {
      await pc.setRemoteDescription({ type, sdp });
    } finally {
      this.#answerPending = false;
    }
    if (type !== "offer") return;
    if (!this.#first) for (const transceiver of pc.getTransceivers()) this.#adopt(transceiver);
    await pc.setLocalDescription();
    this.#sendDescription();
  }

  async #candidate(body) {
    const [, , , , address, port, , type] = String(body?.candidate ?? "").split(" ");
    // A few servers, three transports, two families, a few ICE restarts: more than that is nobody's real network.
    if (type === "relay" && this.#farRelays.size < 256) this.#farRelays.set(`${address}:${port}`, transportName(body.relayProtocol));
    try {
      await this.pc.addIceCandidate(body ?? undefined);
    } catch (error) {
      // Candidates of an offer that was ignored, or of the round before an ICE restart, have nowhere to go.
      const stale = this.#ignoringOffer || error.name === "OperationError" || error.name === "InvalidStateError";
      if (!stale) throw error;
    }
  }

  #stateChanged() {
    const ice = this.pc.iceConnectionState;
    const whole = this.pc.connectionState ?? ice;
    const before = this.state;
    const wasUp = before === "connected" || before === "reconnecting";
    if (whole === "connected") this.state = "connected";
    else if (whole === "failed" || ice === "failed") this.state = wasUp ? "reconnecting" : "failed";
    else if (whole === "disconnected" || ice === "disconnected") this.state = wasUp ? "reconnecting" : "connecting";
    else if (whole === "connecting") this.state = wasUp ? "reconnecting" : "connecting";
    if (this.state === "connected" || ice === "connected" || ice === "completed") {
      clearTimeout(this.#grace);
      this.#grace = null;
    } else if (ice === "failed") {
      this.#hooks.broken(this);
    } else if (ice === "disconnected" && this.#grace === null) {
      // The polite side waits longer, so that usually one of the two restarts, not both at once.
      const wait = DISCONNECTED_GRACE_MS * (this.#polite ? 2 : 1);
      this.#grace = setTimeout(() => {
        this.#grace = null;
        if (this.pc.iceConnectionState !== "connected") this.#hooks.broken(this);
      }, wait);
    }
    if (before !== this.state) this.#hooks.changed();
  }
}
