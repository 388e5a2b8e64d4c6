/**
 * The media of a room that a node forwards: one RTCPeerConnection towards the node, whatever the number of members.
 *
 * The page always offers and the node always answers; offers are numbered. Receiving sections are slots: the node says
 * in a `map` what each carries, so members come and go without a new offer. roost.js loads this when a room is entered.
 */

import { RoomStatistics } from "./room-statistics.js";

/** Sections of the first offer that only receive. More slots for pictures are offered when the node asks; of sound it takes no more. */
const FIRST_SLOTS = { audio: 8, video: 4 };
const MOST_SLOTS = 49;
/** The small layers come first: an encoder that must save gives up from the end. */
const CAMERA_LAYERS = [
  { rid: "l", maxBitrate: 150_000 },
  { rid: "m", maxBitrate: 500_000 },
  // Nobody may have a tile for it: it begins when the node asks, so that a small computer encodes no more than is seen.
  { rid: "h", maxBitrate: 1_800_000, active: false },
];
/** What is sent before the node says what it wants. */
const FIRST_LAYERS = CAMERA_LAYERS.filter(({ active = true }) => active).map(({ rid }) => rid);
/** Of a small picture Chromium encodes fewer sizes, the first of the list, whatever is asked for (libwebrtc's table of simulcast formats). */
const SIZES_OF = [
  { pixels: 960 * 540, sizes: 3 },
  { pixels: 480 * 270, sizes: 2 },
  { pixels: 0, sizes: 1 },
];
const SCREEN_BPS = 2_500_000;
/** What a node forwards. All that a browser knows, in a dozen sections, is an offer that it works on for as long as a picture may stand. */
const FORWARDED = /^(audio\/(opus|red)|video\/(vp8|vp9|h264|av1|rtx))$/i;
/** The protocol allows four views a second. */
const VIEW_EVERY_MS = 260;
/** A path that is "disconnected" often heals by itself; past this it is restarted. */
const DISCONNECTED_GRACE_MS = 2_000;
/** A restart that has not helped by then is followed by a new connection. */
const RESTART_LIMIT_MS = 6_000;
const RETRY_MS = [300, 1_000, 2_000, 4_000];
/** A way that never stood: through TURN over TLS it takes some seconds; past this people are told. */
const OVERDUE_MS = 15_000;
/** So many connections in a row that came to nothing, and a way that stood before counts as lost. */
const FAILURES_TOLD = 3;
/** A browser that has nothing to try says nothing either: past this another connection is tried. */
const STUCK_MS = 30_000;
/** A level is kept so long, so that pauses between words don't read as silence. */
const LEVEL_KEPT_MS = 1_500;

export class RoomMedia {
  /** "connecting" | "connected" | "reconnecting" | "failed" */
  state = "connecting";
  dominant = null;
  /** What the node sends and receives in all, if it says so. */
  totals = null;
  downBps = null;
  /** `performance.now()` of when it stood first, or null. */
  connectedAt = null;

  #room;
  #media;
  #request;
  #hooks;
  #configuration;
  #pc = null;
  #n = 0;
  #offering = false;
  #offerAgain = false;
  #attempt = 0;
  #failures = 0;
  #isOverdue = false;
  #closed = false;
  #timers = {};
  #senders = {};
  #wantedSlots = FIRST_SLOTS.video;
  #isBeside;
  /** The camera's layers that the node asked for last: {mid, active}, or null. */
  #wantedLayers = null;
  /** Of the newest map, or null: the node knows nothing of this connection yet, so what it says is of the one before. */
  #mapVersion = null;
  #slots = new Map();
  #members = new Map();
  #paused = new Map();
  #layers = new Map();
  #levels = new Map();
  /** What the page shows, as told to the node, and as names; null until it said so. */
  #view = null;
  #viewed = null;
  #viewSent = null;
  #viewTimer = null;
  #sampling = null;
  #published = "";
  #statistics = new RoomStatistics(CAMERA_LAYERS.map(({ rid }) => rid));

  /**
   * `isBeside`: media goes straight as well for now, so of the camera only the smallest picture is sent: two encoders at full size
   * make a small computer's pictures stand.
   */
  constructor({ room, media, configuration, request, hooks, isBeside = false }) {
    this.#room = room;
    this.#isBeside = isBeside;
    this.#media = media;
    this.#configuration = configuration;
    this.#request = (type, fields) => request(type, { room, ...fields });
    this.#hooks = hooks;
    this.#later("overdue", OVERDUE_MS, () => {
      this.#isOverdue = this.connectedAt === null;
      if (this.#isOverdue) this.#setState(this.#wanting);
    });
    this.#connect();
  }

  // ---- what comes over the socket

  receive(message) {
    switch (message.kind) {
      case "map":
        // What a resumed session repeats may be of the connection before; of this one the node says none before "answered".
        if (this.#mapVersion === null || message.version < this.#mapVersion) return;
        this.#mapVersion = message.version;
        this.#takeMap(message.slots ?? []);
        break;
      case "slots-wanted":
        this.#growTo(message.video);
        break;
      case "speakers":
        this.#takeSpeakers(message);
        return;
      case "quality":
        this.#paused = new Map((message.paused ?? []).map((each) => [`${each.member}/${each.source}`, each.reason]));
        this.#layers = new Map((message.layers ?? []).map((each) => [`${each.member}/${each.source}`, each.rid]));
        this.downBps = message.downBps ?? null;
        break;
      case "layers":
        this.#wantedLayers = { mid: message.mid, active: message.active ?? [] };
        this.#activate();
        return;
      case "muted-by":
        // The node waits for the word "muted" after the host's, also from who was muted already.
        this.#published = "";
        return;
      case "totals":
        this.totals = message;
        return;
      case "lost":
        // Before "answered" it can only be of the connection before, which was closed here.
        if (this.#mapVersion !== null) this.#connectAgain();
        return;
      default:
        return;
    }
    this.#hooks.changed();
  }

  // ---- what a member looks like from here

  /** Streams, level and figures of a member; `stream` is its microphone and camera, `screenStream` what it shares. */
  member(id, { video } = { video: false }) {
    const there = this.#members.get(id);
    // Of what is not shown here the node says nothing: it does not send it.
    const paused = this.#paused.get(`${id}/camera`) ?? (video && !this.#isViewed(id, "camera") ? "hidden" : null);
    return {
      state: this.state,
      stream: there?.stream ?? null,
      screenStream: there?.screenStream ?? null,
      level: this.#levels.get(id)?.level ?? 0,
      statistics: there?.sample ?? null,
      paused: paused !== null,
      pausedReason: paused,
      screenPaused: this.#paused.has(`${id}/screen`),
      screenPausedReason: this.#paused.get(`${id}/screen`) ?? null,
      rid: this.#layers.get(`${id}/camera`) ?? null,
    };
  }

  /** The member's sound has a slot, so it has its own way to the node. */
  hears(id) {
    return this.state === "connected" && Boolean(this.#members.get(id)?.stream?.getAudioTracks().length);
  }

  /** The node carries this member: its sound comes, if it speaks, and its picture was decoded and goes on, if one is shown here. */
  carries(id, { audio, video, screen }) {
    const { sample } = this.#members.get(id) ?? {};
    const isShown = (source) => this.#isViewed(id, source) && !this.#paused.has(`${id}/${source}`);
    if (!this.hears(id) || (audio && !sample?.audio.packets)) return false;
    if (video && isShown("camera") && !(sample?.video.framesDecoded && sample.video.flowing)) return false;
    // A screen that does not change sends nothing.
    return !(screen && isShown("screen") && !sample?.screen?.framesDecoded);
  }

  /** Until the page says what it shows, all counts as shown. */
  #isViewed(id, source) {
    return this.#viewed === null || this.#viewed.has(`${id}/${source}`);
  }

  get figures() {
    return { link: this.#statistics.link, sent: this.#statistics.sent, state: this.state, downBps: this.downBps, totals: this.totals };
  }

  get age() {
    return this.#statistics.age;
  }

  // ---- what the page wants

  /** What the page shows, most important first, in device pixels. Only changes are told, four a second at most. */
  setView(tiles) {
    const text = JSON.stringify(tiles);
    if (text === this.#view) return;
    this.#view = text;
    const viewed = new Set(tiles.map(({ member, source }) => `${member}/${source}`));
    const isOther = this.#viewed === null || viewed.size !== this.#viewed.size || [...viewed].some((each) => !this.#viewed.has(each));
    this.#viewed = viewed;
    if (isOther) this.#hooks.changed();
    this.#viewTimer ??= setTimeout(() => this.#tellView(), VIEW_EVERY_MS);
  }

  /** Local tracks changed: send what there is now, and say what each section carries. */
  async useTracks() {
    const { audio, video, screen, screenAudio } = this.#media;
    if (screen && !this.#senders.screen) this.#addScreen(screen, screenAudio);
    const tracks = { microphone: audio.track, camera: video.track, screen, "screen-audio": screenAudio };
    for (const [source, transceiver] of Object.entries(this.#senders)) {
      const track = tracks[source] ?? null;
      if (transceiver.sender.track === track || this.#closed) continue;
      try {
        await transceiver.sender.replaceTrack(track);
        if (source === "camera" && track) await this.#fitSizes(transceiver.sender, track);
      } catch (error) {
        this.#hooks.problem(error);
      }
    }
    this.#publish();
  }

  /** Nothing goes straight any more: what the node wants is sent. */
  becomeOnly() {
    if (!this.#isBeside) return;
    this.#isBeside = false;
    this.#activate();
  }

  /** The network changed: look for another way under new credentials. */
  restart(configuration) {
    this.#configuration = configuration;
    if (this.#pc === null || this.state === "connecting") return;
    try {
      this.#pc.setConfiguration(configuration);
    } catch {
      // A browser that refuses new servers in mid-life still restarts with the old ones.
    }
    this.#restartPath();
  }

  close() {
    this.#closed = true;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    clearTimeout(this.#viewTimer);
    this.#drop();
  }

  // ---- the connection

  #drop() {
    const pc = this.#pc;
    this.#pc = null;
    if (!pc) return;
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = null;
    pc.close();
  }

  #connect() {
    this.#drop();
    for (const name of ["grace", "restart"]) this.#clear(name);
    this.#later("stuck", STUCK_MS, () => this.#connectFailed());
    const pc = new RTCPeerConnection({ ...this.#configuration, bundlePolicy: "max-bundle" });
    this.#pc = pc;
    this.#n = 0;
    this.#mapVersion = null;
    this.#offering = this.#offerAgain = false;
    this.#published = "";
    this.#viewSent = null;
    this.#slots.clear();
    this.#statistics.reset();
    this.#paused.clear();
    this.#layers.clear();
    this.#wantedLayers = null;
    const { audio, video, screen, screenAudio } = this.#media;
    this.#senders = {
      microphone: pc.addTransceiver(audio.track ?? "audio", { direction: "sendonly" }),
      camera: this.#addCamera(pc, video.track),
    };
    pc.createDataChannel("room");
    if (screen) this.#addScreen(screen, screenAudio, { offer: false });
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = () => this.#stateChanged(pc);
    this.#offerWhole(pc);
  }

  /** Nothing is offered before all places are there. */
  async #offerWhole(pc) {
    this.#offering = true;
    if (!(await this.#addSlots(pc, FIRST_SLOTS.audio, this.#wantedSlots))) return;
    this.#offering = this.#offerAgain = false;
    this.#offer();
  }

  /**
   * Adds places, one in a turn: each asks the browser's media threads, and a dozen at once stop a page whose threads are busy for
   * half a second. Resolves to whether the connection is still the one that is used.
   */
  async #addSlots(pc, audio, video) {
    for (let count = 0; count < audio + video; count++) {
      addSlot(pc, count < audio ? "audio" : "video");
      await nextTurn();
      if (pc !== this.#pc) return false;
    }
    return true;
  }

  #addCamera(pc, track) {
    try {
      return pc.addTransceiver(track ?? "video", { direction: "sendonly", sendEncodings: CAMERA_LAYERS.map((layer, at) => ({ ...layer, ...(this.#isBeside && at > 0 ? { active: false } : {}), scaleResolutionDownBy: scaleOf(track, at) })) });
    } catch {
      // A browser without simulcast sends one picture of all sizes.
      return pc.addTransceiver(track ?? "video", { direction: "sendonly" });
    }
  }

  #addScreen(screen, screenAudio, { offer = true } = {}) {
    this.#senders.screen = this.#pc.addTransceiver(screen, { direction: "sendonly", sendEncodings: [{ maxBitrate: SCREEN_BPS }] });
    this.#senders["screen-audio"] = this.#pc.addTransceiver(screenAudio ?? "audio", { direction: "sendonly" });
    if (offer) this.#offer();
  }

  /** One offer at a time; what changed meanwhile goes into the next. */
  async #offer() {
    if (this.#offering) {
      this.#offerAgain = true;
      return;
    }
    this.#offering = true;
    const pc = this.#pc;
    try {
      await pc.setLocalDescription(await pc.createOffer());
      const n = ++this.#n;
      const answer = await this.#request("offer", { n, sdp: pc.localDescription.sdp });
      if (pc !== this.#pc) return;
      await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      // From here on the node says what this connection carries, and counts from 1 again.
      this.#mapVersion ??= 0;
      await this.#request("answered", { n });
      if (pc !== this.#pc) return;
      this.#attempt = 0;
      this.#publish();
      this.#tellView();
    } catch (error) {
      if (pc !== this.#pc || this.#closed) return;
      this.#hooks.problem(error);
      // Gone: the room ended or we are no longer in it; signal says so in its own words.
      if (["gone", "not-allowed", "signed-out", "session-lost"].includes(error.code)) this.#clear("stuck");
      else this.#connectLater();
      return;
    } finally {
      if (pc === this.#pc) this.#offering = false;
    }
    if (this.#offerAgain) {
      this.#offerAgain = false;
      this.#offer();
    }
  }

  /** What a way that does not stand is called. */
  get #wanting() {
    if (this.#isOverdue || this.#failures >= FAILURES_TOLD) return "failed";
    return this.connectedAt !== null ? "reconnecting" : "connecting";
  }

  /** It goes on trying, whatever the way is called meanwhile. */
  #connectFailed() {
    this.#failures++;
    this.#connectLater();
  }

  #connectLater() {
    this.#setState(this.#wanting);
    const wait = RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)];
    this.#later("again", wait, () => this.#connect());
  }

  #connectAgain() {
    if (this.#closed) return;
    this.#setState(this.#wanting);
    this.#clear("again");
    this.#connect();
  }

  #restartPath() {
    if (this.#closed || this.#timers.restart) return;
    this.#pc.restartIce();
    this.#offer();
    const pc = this.#pc;
    this.#later("restart", RESTART_LIMIT_MS, () => {
      if (pc === this.#pc && !["connected", "completed"].includes(pc.iceConnectionState)) this.#connectAgain();
    });
  }

  #stateChanged(pc) {
    if (pc !== this.#pc) return;
    const whole = pc.connectionState;
    if (whole === "connected") {
      this.connectedAt ??= performance.now();
      this.#failures = 0;
      this.#isOverdue = false;
      for (const name of ["grace", "restart", "stuck"]) this.#clear(name);
      this.#setState("connected");
    } else if (whole === "failed") {
      // The node forgot this transport, or its keys: only a new connection helps.
      this.#connectFailed();
    } else if (pc.iceConnectionState === "disconnected") {
      this.#setState(this.#wanting);
      if (!this.#timers.grace) this.#later("grace", DISCONNECTED_GRACE_MS, () => this.#restartPath());
    }
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#hooks.changed();
  }

  #later(name, ms, action) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => {
      this.#timers[name] = null;
      if (!this.#closed) action();
    }, ms);
  }

  #clear(name) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = null;
  }

  // ---- what is sent

  #publish() {
    if (this.#closed || this.#n === 0) return;
    // The node takes nothing of a listener; of who speaks again it wants to hear anew.
    if (this.#media.isSilent) {
      this.#published = "";
      return;
    }
    const { audio, video, screen, screenAudio } = this.#media;
    const tracks = [];
    const say = (source, muted) => {
      const mid = this.#senders[source]?.mid;
      if (typeof mid === "string") tracks.push({ mid, source, muted });
    };
    say("microphone", audio.state !== "on");
    say("camera", video.state !== "on");
    if (screen) say("screen", false);
    if (screenAudio) say("screen-audio", false);
    const text = JSON.stringify(tracks);
    if (text === this.#published) return;
    this.#published = text;
    this.#request("publish", { tracks }).catch((error) => this.#hooks.problem(error));
  }

  #tellView() {
    clearTimeout(this.#viewTimer);
    this.#viewTimer = null;
    if (this.#closed || this.#n === 0 || this.#view === null || this.#viewSent === this.#view) return;
    this.#viewSent = this.#view;
    this.#request("view", { tiles: JSON.parse(this.#view) }).catch(() => {
      this.#viewSent = null;
    });
    this.#viewTimer = setTimeout(() => this.#tellView(), VIEW_EVERY_MS);
  }

  /** Another camera has another size. */
  async #fitSizes(sender, track) {
    const parameters = sender.getParameters();
    const { encodings } = parameters;
    if (!(encodings?.length > 1) || encodings.every((each, at) => each.scaleResolutionDownBy === scaleOf(track, at))) return;
    encodings.forEach((each, at) => (each.scaleResolutionDownBy = scaleOf(track, at)));
    await sender.setParameters(parameters);
  }

  async #activate() {
    const { mid, active } = this.#wantedLayers ?? { mid: null, active: FIRST_LAYERS };
    const transceiver = mid === null ? this.#senders.camera : this.#pc?.getTransceivers().find((each) => each.mid === mid);
    const sender = transceiver?.sender;
    if (!sender) return;
    try {
      const parameters = sender.getParameters();
      if (!(parameters.encodings?.length > 1)) return;
      for (const encoding of parameters.encodings) encoding.active = this.#isBeside ? encoding.rid === CAMERA_LAYERS[0].rid : active.includes(encoding.rid);
      await sender.setParameters(parameters);
    } catch (error) {
      this.#hooks.problem(error);
    }
  }

  // ---- what is received

  async #growTo(count) {
    const wanted = Math.min(Math.max(count | 0, this.#wantedSlots), MOST_SLOTS);
    const missing = wanted - this.#wantedSlots;
    this.#wantedSlots = wanted;
    if (missing === 0 || !this.#pc) return;
    if (await this.#addSlots(this.#pc, 0, missing)) this.#offer();
  }

  #takeMap(slots) {
    const tracks = new Map((this.#pc?.getTransceivers() ?? []).map((each) => [each.mid, each.receiver]));
    const next = new Map();
    const wanted = new Map();
    for (const { mid, member, source } of slots) {
      const receiver = tracks.get(mid);
      if (!receiver) continue;
      // Another member's frames are not this one's: figures start anew when a slot changes hands.
      if (this.#slots.get(mid)?.key !== `${member}/${source}`) this.#statistics.forget(mid);
      next.set(mid, { key: `${member}/${source}`, member, source });
      const there = wanted.get(member) ?? { main: [], screen: [] };
      wanted.set(member, there);
      there[source.startsWith("screen") ? "screen" : "main"].push(receiver.track);
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    }
    this.#slots = next;
    for (const id of this.#members.keys()) if (!wanted.has(id)) this.#members.delete(id);
    for (const [id, { main, screen }] of wanted) {
      const there = this.#members.get(id) ?? { stream: null, screenStream: null, sample: null };
      this.#members.set(id, there);
      there.stream = holding(there.stream, main);
      there.screenStream = holding(there.screenStream, screen);
    }
  }

  #takeSpeakers({ dominant, levels }) {
    const now = performance.now();
    this.dominant = dominant ?? null;
    for (const { member, level } of levels ?? []) if (level > 0) this.#levels.set(member, { level, now });
    for (const [id, each] of this.#levels) if (now - each.now > LEVEL_KEPT_MS) this.#levels.delete(id);
    this.#hooks.levels();
  }

  /** Levels from the packets themselves, for a node that says nothing of speakers. */
  measureLevels() {
    const now = performance.now();
    const receivers = new Map((this.#pc?.getTransceivers() ?? []).map((each) => [each.mid, each.receiver]));
    for (const [mid, { member, source }] of this.#slots) {
      if (source !== "microphone") continue;
      let level = 0;
      for (const each of receivers.get(mid)?.getSynchronizationSources?.() ?? []) level = Math.max(level, each.audioLevel ?? 0);
      if (level > 0) this.#levels.set(member, { level, now });
    }
    for (const [id, each] of this.#levels) if (now - each.now > LEVEL_KEPT_MS) this.#levels.delete(id);
  }

  // ---- figures

  /** Who asks while one is taken gets that one: of two at once the second would find that nothing came in between. */
  takeSample() {
    const pc = this.#pc;
    // One of a connection that is over may never come.
    if (this.#sampling?.pc !== pc) {
      const sample = this.#sample(pc).finally(() => {
        if (this.#sampling?.sample === sample) this.#sampling = null;
      });
      this.#sampling = { pc, sample };
    }
    return this.#sampling.sample;
  }

  async #sample(pc) {
    if (!pc || this.#closed) return;
    const report = await pc.getStats();
    if (pc !== this.#pc) return;
    const samples = this.#statistics.read(report, pc.getTransceivers(), this.#slots, this.#senders);
    for (const [id, there] of this.#members) there.sample = samples.get(id) ?? null;
  }
}

/** How much smaller than the camera's the layer at this place is: the last one that is encoded has the whole picture. */
function scaleOf(track, at) {
  const { width = 1280, height = 720 } = track?.getSettings?.() ?? {};
  const { sizes } = SIZES_OF.find(({ pixels }) => width * height >= pixels);
  return 2 ** Math.max(sizes - 1 - at, 0);
}

/** A section that only receives, and only what a node forwards. */
function addSlot(pc, kind) {
  const slot = pc.addTransceiver(kind, { direction: "recvonly" });
  const known = RTCRtpReceiver.getCapabilities?.(kind)?.codecs ?? [];
  // Of H.264 the packetization that everybody sends (RFC 6184 §6.3); of VP9 and AV1 the profile of ordinary cameras.
  const isOdd = ({ sdpFmtpLine = "" }) => /packetization-mode=0|profile-id=[123](;|$)|(^|;)profile=[12](;|$)/.test(sdpFmtpLine);
  const wanted = known.filter((codec) => FORWARDED.test(codec.mimeType) && !isOdd(codec));
  try {
    if (wanted.length > 0) slot.setCodecPreferences?.(wanted);
  } catch {
    // A browser that takes no preferences makes a longer offer.
  }
}

/** Lets the page do what waits. No timer: those of a hidden page are a second apart. */
function nextTurn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve(port1.close());
    port2.postMessage(null);
  });
}

/** A stream of exactly these tracks: the one there was, if it is the same, so that no element starts anew. */
function holding(stream, tracks) {
  if (tracks.length === 0) return null;
  if (stream && stream.getTracks().length === tracks.length && tracks.every((track) => stream.getTracks().includes(track))) return stream;
  return new MediaStream(tracks);
}
