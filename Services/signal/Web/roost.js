/**
 * Roost in the browser: signs a person in, shows who is here, and carries calls. One module, no dependencies.
 *
 * Reading order: `Signaling` (the socket of docs/protocol/signal.md), `LocalMedia` (camera, microphone, screen),
 * `Peer` (one RTCPeerConnection for each other member), `Statistics` (what getStats says, in one shape for all
 * browsers), and `Roost`, which ties them to rooms and calls. The media of rooms that a node forwards is in roost-room.js,
 * which a room or a call loads when it begins. Types for users of this module: roost.d.ts.
 */

const PROTOCOL_VERSION = 1;
/** Signal asks who is silent for 7 s (the browser answers that) and cuts who says nothing by itself for 75 s; a hidden page's timers come once a minute. */
const PING_EVERY_MS = 10_000;
/** Two pings without a word back, and the socket counts as dead although nobody closed it. */
const SILENCE_LIMIT_MS = 22_000;
/** When something says that the network changed, an answer is due sooner than that. */
const PROBE_LIMIT_MS = 3_000;
/** Signal answers a greeting within its own deadline (5 s) or not at all. */
const GREETING_LIMIT_MS = 8_000;
/** Half of the second that the protocol allows, so that a slow timer still makes it. */
const ACK_AFTER_MS = 500;
const BACKOFF_FIRST_MS = 150;
const BACKOFF_LAST_MS = 3_000;
/** Longer than any deadline of the services behind signal (5 s), with room for one reconnection. */
const REQUEST_LIMIT_MS = 20_000;
/** The node ends an invitation after 30 s; past this nobody is going to tell us any more. */
const RING_LIMIT_MS = 36_000;
/** A "disconnected" path often heals by itself (one lost check); past this it is restarted. */
const DISCONNECTED_GRACE_MS = 2_500;
/** Servers asked for within this time are fresh: another ICE restart need not ask again. */
const ICE_FRESH_MS = 5_000;
/** An ICE restart waits so long for fresh servers; then it goes with those it has. */
const ICE_WAIT_MS = 1_000;
/** After fresh servers were refused (no registry answers). */
const ICE_RETRY_S = 30;
/** How long members missing from a moved room's state may take to come back before they count as gone. */
const RECOVERY_LIMIT_MS = 12_000;
/** A room back at two for so long leaves the node: people who step out for a moment should not move everybody twice. */
const BACK_AT_TWO_MS = 10_000;
/** How long media goes both ways at most while a call goes over to a node, or back, once the new way stands. */
const HAND_OVER_LIMIT_MS = 8_000;
/** What is decoded is shown a moment later, and on a machine that starts a third picture just then, a long moment. */
const LINGER_MS = 2_500;
/** How often levels are read, and how late that is, on average, where a page gets too little processor. */
const METER_MS = 150;
const BUSY_MS = 80;
/** A page that was hidden, or a machine that slept, is not busy for it. */
const LATEST_MS = 600;
/** How long a member whose page closed its connection may take to come back by a reload. */
const RETURN_LIMIT_MS = 6_000;
/** What one sender may use, by the number of members: a mesh sends everything n - 1 times over one uplink. */
const VIDEO_BPS = { 2: 2_500_000, 3: 1_200_000, 4: 800_000, 5: 500_000, 6: 400_000 };
const SNAPSHOT_KEY = "roost.session";
const SECRET_KEY = "roost.key";
const DEVICES_KEY = "roost.devices";
const MISSED_KEY = "roost.missed";
/** As many missed calls as a person looks through. */
const MISSED_LIMIT = 20;
/** Chat kept by a page; the node keeps as many for those who come late. */
const CHAT_LIMIT = 200;
/** What an address can carry as it is; two dots in a row are a path to somewhere else. */
const ROOM_NAME = /^(?!.*\.\.)[A-Za-z0-9_.-]{1,64}$/;
export const isRoomName = (text) => ROOM_NAME.test(text);
const TOPOLOGIES = ["auto", "mesh", "sfu"];
/** How a ring ends that the person had no part in. */
const MISSED_REASONS = ["no-answer", "cancelled", "caller-gone", "busy", "ended"];

/** What went wrong, as a code to act on (`name-taken`, `busy-self`, …) and signal's sentence for people. */
export class RoostError extends Error {
  constructor(code, message = code, details = {}) {
    super(message);
    this.name = "RoostError";
    this.code = code;
    Object.assign(this, details);
  }
}

// ---------------------------------------------------------------- small things

/** `count` random characters that fit into a URL; 22 of them carry 132 bits. */
function randomText(count) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => alphabet[byte & 63]).join("");
}

/** Storage that may be forbidden (private windows, strict settings): then things live as long as the page. */
function storage(kind) {
  const memory = new Map();
  const real = () => {
    try {
      return globalThis[kind];
    } catch {
      return null;
    }
  };
  const attempt = (action, otherwise) => {
    try {
      return action(real());
    } catch {
      return otherwise();
    }
  };
  return {
    get: (key) => attempt((store) => store.getItem(key), () => memory.get(key) ?? null),
    set: (key, value) => attempt((store) => store.setItem(key, value), () => void memory.set(key, value)),
    remove: (key) => attempt((store) => store.removeItem(key), () => void memory.delete(key)),
  };
}

const local = storage("localStorage");
const session = storage("sessionStorage");

function parsed(text, otherwise) {
  try {
    return JSON.parse(text) ?? otherwise;
  } catch {
    return otherwise;
  }
}

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---------------------------------------------------------------- signaling

/**
 * The socket: signs in, resumes after a drop at whichever instance answers, repeats what had no answer, acknowledges
 * what came. It knows nothing of rooms; `onMessage` gets each numbered message once and in order.
 */
class Signaling {
  /** "closed" | "opening" | "open" | "waiting" */
  state = "closed";
  token = null;
  seq = 0;
  nextId = 1;

  #url;
  #handlers;
  #socket = null;
  #identity = null;
  #pending = new Map();
  #handshake = null;
  #signingIn = null;
  #attempt = 0;
  #lastHeard = 0;
  #ackTimer = null;
  #retryTimer = null;
  #pingTimer = null;
  #waitingSince = 0;

  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
    this.#pingTimer = setInterval(() => this.#keepAlive(), PING_EVERY_MS);
    globalThis.addEventListener?.("online", () => this.probe());
    globalThis.document?.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.probe();
    });
  }

  /** Signs in anew. Resolves with signal's answer; rejects only with what signal says, never because of the network. */
  signIn(identity) {
    this.#identity = identity;
    this.token = null;
    this.#dropSocket();
    return new Promise((resolve, reject) => {
      this.#signingIn = { resolve, reject };
      this.#open();
    });
  }

  /** Takes up a session that an earlier life of this page left behind. */
  takeUp(identity, { token, seq, nextId }) {
    this.#identity = identity;
    Object.assign(this, { token, seq, nextId });
    return new Promise((resolve, reject) => {
      this.#signingIn = { resolve, reject };
      this.#open();
    });
  }

  /** Ends the session; nothing is asked or answered after this. */
  signOut() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#write({ type: "sign-out", id: this.nextId++ });
    this.leave();
  }

  /** Closes the socket with code 1000, which signal takes for a sign-out. */
  leave() {
    this.token = null;
    this.#identity = null;
    this.#waitingSince = 0;
    this.#attempt = 0;
    clearTimeout(this.#retryTimer);
    this.#refuseAll("signed-out");
    this.#dropSocket(1000);
    this.#setState("closed");
  }

  /** Asks something of signal. Waits through reconnections; the same id is used again, so nothing happens twice. */
  request(type, fields = {}) {
    if (!this.#identity) return Promise.reject(new RoostError("signed-out", "Sign in first."));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const entry = { frame: { type, id, ...fields }, resolve, reject };
      entry.timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new RoostError("timeout", "The server did not answer in time."));
      }, REQUEST_LIMIT_MS);
      this.#pending.set(id, entry);
      if (this.state === "open") this.#write(entry.frame);
    });
  }

  /** The network may have changed: reconnects at once when waiting, else makes sure that the socket still lives. */
  probe() {
    if (this.state === "waiting") {
      this.#attempt = 0;
      this.#open();
    } else if (this.state === "open") {
      const asked = performance.now();
      this.#write({ type: "ping", id: this.nextId++ });
      setTimeout(() => {
        if (this.state === "open" && this.#lastHeard < asked) this.#dropped();
      }, PROBE_LIMIT_MS);
    }
  }

  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#handlers.onState(state);
  }

  async #open() {
    clearTimeout(this.#retryTimer);
    this.#dropSocket();
    this.#setState(this.#waitingSince ? "waiting" : "opening");
    const attempt = ++this.#attempt;
    // Firefox punishes each failed WebSocket with a longer wait before the next: ask over HTTP first whether anybody is there.
    if (attempt > 1 && !(await this.#answersHTTP())) {
      if (attempt === this.#attempt && this.#identity && !this.#socket) this.#retry();
      return;
    }
    if (attempt !== this.#attempt || !this.#identity || this.#socket) return;
    let socket;
    try {
      socket = new WebSocket(this.#url, "roost.1");
    } catch {
      return this.#retry();
    }
    this.#socket = socket;
    setTimeout(() => {
      const stuck = socket === this.#socket && (socket.readyState === WebSocket.CONNECTING || this.#handshake);
      if (stuck) this.#dropped();
    }, GREETING_LIMIT_MS);
    socket.onopen = () => this.#greet();
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#dropped(event.code);
    };
  }

  async #answersHTTP() {
    try {
      const url = new URL(this.#url.replace(/^ws/, "http"));
      url.pathname = "/favicon.svg";
      const answer = await fetch(url, { method: "GET", cache: "no-store", signal: AbortSignal.timeout(4_000) });
      return answer.status < 500;
    } catch {
      return false;
    }
  }

  #greet() {
    this.#lastHeard = performance.now();
    const id = this.nextId++;
    this.#handshake = { id, resuming: this.token !== null };
    this.#write(
      this.token !== null
        ? { type: "resume", id, token: this.token, seq: this.seq, rooms: this.#handlers.rooms() }
        : { type: "hello", id, v: PROTOCOL_VERSION, name: this.#identity.name, key: this.#identity.key },
    );
  }

  #receive(text) {
    this.#lastHeard = performance.now();
    const frame = parsed(text, null);
    if (frame === null || typeof frame !== "object") return;
    if (this.#handshake && frame.re === this.#handshake.id) return this.#greeted(frame);
    switch (frame.type) {
      case "ok":
      case "error":
        return this.#answered(frame);
      case "pong":
      case "bye":
        return undefined;
      default:
        // Numbered, each once: a resumed session may repeat what was on its way when the socket dropped.
        if (typeof frame.seq === "number") {
          if (frame.seq <= this.seq) return undefined;
          this.seq = frame.seq;
          this.#acknowledgeSoon();
        }
        return this.#handlers.onMessage(frame);
    }
  }

  #greeted(frame) {
    const { resuming } = this.#handshake;
    this.#handshake = null;
    if (frame.type === "error") {
      // The session may well be there still, only not to be looked up at this moment.
      if (resuming && (frame.code === "unavailable" || frame.code === "timeout")) return this.#dropped();
      if (resuming) {
        // Too late, or the instance that knew us is gone for good: a new session under the same name and key.
        this.token = null;
        this.seq = 0;
        this.#refuseAll("session-lost");
        return this.#greet();
      }
      if (frame.code === "unavailable" && !this.#signingIn) return this.#dropped();
      const problem = new RoostError(frame.code, frame.message, { suggestion: frame.suggestion });
      const waiting = this.#signingIn;
      this.#signingIn = null;
      this.leave();
      if (waiting) waiting.reject(problem);
      else this.#handlers.onRefused(problem);
      return undefined;
    }
    this.token = frame.token;
    if (!resuming) this.seq = 0;
    this.#attempt = 0;
    this.#waitingSince = 0;
    const waiting = this.#signingIn;
    this.#signingIn = null;
    this.#handlers.onSession(frame, resuming);
    waiting?.resolve({ ...frame, resumed: resuming });
    for (const entry of this.#pending.values()) this.#write(entry.frame);
    this.#setState("open");
    return undefined;
  }

  #answered(frame) {
    const entry = this.#pending.get(frame.re);
    if (!entry) {
      if (frame.type === "error" && frame.re === undefined) this.#handlers.onCut(new RoostError(frame.code, frame.message));
      return;
    }
    this.#pending.delete(frame.re);
    clearTimeout(entry.timer);
    if (frame.type === "ok") entry.resolve(frame);
    else entry.reject(new RoostError(frame.code, frame.message));
  }

  #refuseAll(code) {
    for (const entry of this.#pending.values()) {
      clearTimeout(entry.timer);
      entry.reject(new RoostError(code, "The session has ended."));
    }
    this.#pending.clear();
  }

  #acknowledgeSoon() {
    this.#ackTimer ??= setTimeout(() => {
      this.#ackTimer = null;
      if (this.state === "open") this.#write({ type: "ack", seq: this.seq });
    }, ACK_AFTER_MS);
  }

  #keepAlive() {
    if (this.state !== "open") return;
    if (performance.now() - this.#lastHeard > SILENCE_LIMIT_MS) this.#dropped();
    else this.#write({ type: "ping", id: this.nextId++ });
  }

  #write(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #dropSocket(code) {
    const socket = this.#socket;
    this.#socket = null;
    this.#handshake = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (code) socket.close(code);
    else if (socket.readyState < WebSocket.CLOSING) socket.close(4000, "reconnecting");
  }

  #dropped(code) {
    this.#dropSocket();
    if (!this.#identity) return;
    this.#waitingSince ||= performance.now();
    // 1012: this instance goes down in order, another one (or the same, restarted) is ready for us.
    if (code === 1012) this.#attempt = 0;
    // 1008: cut for cause. Coming back at once would be cut again.
    if (code === 1008) this.#attempt = 8;
    this.#setState("waiting");
    this.#retry();
  }

  #retry() {
    const longest = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(this.#attempt, 8), BACKOFF_LAST_MS);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#open(), longest * (0.5 + Math.random() / 2));
  }
}

// ---------------------------------------------------------------- local media

/** Why a camera or microphone cannot be had, from what getUserMedia throws. */
function mediaProblem(error) {
  switch (error?.name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      return "refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "none";
    case "NotReadableError":
    case "AbortError":
      return "in-use";
    default:
      return "insecure";
  }
}

/**
 * Camera, microphone and screen of this page. Each source has a `state`: "off" (not asked for), "opening", "on", "muted"
 * (microphone only: open, silent), or why it cannot be had: "none", "refused", "in-use", "insecure".
 */
class LocalMedia extends EventTarget {
  stream = new MediaStream();
  audio = { wanted: false, state: "off", track: null, turn: 0 };
  video = { wanted: false, state: "off", track: null, turn: 0 };
  screen = null;
  /** The sound of what is shared, where the browser gives it. */
  screenAudio = null;
  #screenTurn = 0;
  /** In a room the screen is a picture of its own beside the camera's; in a call of two it takes its place. */
  besideCamera = false;
  /** A listener sends nothing: nothing is opened either. */
  isSilent = false;
  /** Device ids that the person chose: {audioinput, videoinput, audiooutput}. */
  chosen = parsed(local.get(DEVICES_KEY), {});
  devices = { audioinput: [], videoinput: [], audiooutput: [] };
  /** Microphone and screen in one track: {tracks, context, track}. */
  #mix = null;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#plugged());
    // Known before the first call, so that the chosen ones are asked for.
    this.refreshDevices();
  }

  /** What the others are told: what really is to be heard and seen. */
  get flags() {
    return {
      audio: this.audio.state === "on",
      video: this.video.state === "on" && (!this.screen || this.besideCamera),
      screen: this.screen !== null,
    };
  }

  /** The track for each kind of sender of a straight path, which has one of each: a shared screen takes the camera's place, its sound joins the voice. */
  outgoing(kind) {
    if (kind === "video") return this.screen ?? this.video.track;
    return this.screenAudio && this.audio.track ? this.#mixed() : (this.screenAudio ?? this.audio.track);
  }

  #mixed() {
    const tracks = [this.audio.track, this.screenAudio];
    if (this.#mix?.tracks.every((each, at) => each === tracks[at])) return this.#mix.track;
    this.#endMix();
    const context = new AudioContext();
    const out = context.createMediaStreamDestination();
    for (const track of tracks) context.createMediaStreamSource(new MediaStream([track])).connect(out);
    this.#mix = { tracks, context, track: out.stream.getAudioTracks()[0] };
    return this.#mix.track;
  }

  #endMix() {
    this.#mix?.context.close();
    this.#mix = null;
  }

  /** Opens what is asked for and not open yet, a `muted` microphone silently; never throws, the outcome is in each source's state. */
  async open({ audio = false, video = false, muted = false }) {
    if (this.isSilent) return;
    const wants = [];
    const turns = {};
    for (const [kind, wanted] of [["audio", audio], ["video", video]]) {
      const source = this[kind];
      if (!wanted || source.track || source.state === "opening") continue;
      source.wanted = kind === "video" || !muted;
      source.state = "opening";
      turns[kind] = ++source.turn;
      wants.push(kind);
    }
    if (wants.length === 0) return;
    this.#changed();
    if (!navigator.mediaDevices?.getUserMedia) {
      for (const kind of wants) this[kind].state = "insecure";
      return this.#changed();
    }
    const outcome = {};
    // One question for both, as people expect; when that fails, each by itself, so that one missing does not cost the other.
    const together = await this.#ask(wants);
    if (together.stream) for (const kind of wants) outcome[kind] = together;
    else if (wants.length === 1) outcome[wants[0]] = together;
    else for (const kind of wants) outcome[kind] = (await this.#deniedBefore(kind)) ? together : await this.#ask([kind]);
    for (const kind of wants) this.#settle(kind, outcome[kind], turns[kind]);
    await this.refreshDevices();
    return this.#changed();
  }

  /** `turn` is the source's when it was asked for: closed or asked for anew since then, what comes is too late. */
  #settle(kind, { stream, problem }, turn) {
    const source = this[kind];
    const track = stream?.getTracks().find((each) => each.kind === kind) ?? null;
    if (turn !== source.turn) {
      track?.stop();
      return;
    }
    if (!track) {
      source.state = problem ?? "none";
      return;
    }
    source.track = track;
    source.state = source.wanted ? "on" : "muted";
    track.enabled = source.wanted;
    if (kind === "video") track.contentHint = "motion";
    this.stream.addTrack(track);
    track.addEventListener("ended", () => this.#lost(kind, track));
  }

  async #ask(kinds, { asChosen = true } = {}) {
    const constraints = {};
    // `exact`, because an ideal device is a mere hint, which browsers overlook; and only while it is plugged in.
    const pick = (kind) => {
      const there = asChosen && this.devices[kind].some((each) => each.deviceId === this.chosen[kind]);
      return there ? { deviceId: { exact: this.chosen[kind] } } : {};
    };
    if (kinds.includes("audio")) {
      constraints.audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, ...pick("audioinput") };
    }
    if (kinds.includes("video")) {
      constraints.video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 }, ...pick("videoinput") };
    }
    try {
      return { stream: await navigator.mediaDevices.getUserMedia(constraints) };
    } catch (error) {
      if (asChosen && error.name === "OverconstrainedError") return this.#ask(kinds, { asChosen: false });
      return { problem: mediaProblem(error) };
    }
  }

  async #deniedBefore(kind) {
    try {
      const name = kind === "audio" ? "microphone" : "camera";
      return (await navigator.permissions.query({ name })).state === "denied";
    } catch {
      return false;
    }
  }

  /** Muting keeps the microphone open: talking again must not wait for hardware. */
  async setMicrophone(on) {
    const { audio } = this;
    audio.wanted = on;
    if (audio.track) {
      audio.track.enabled = on;
      audio.state = on ? "on" : "muted";
      return this.#changed();
    }
    if (on) return this.open({ audio: true });
    audio.turn++;
    audio.state = "off";
    return this.#changed();
  }

  /** A camera that is off is closed, so that its light is off too. */
  async setCamera(on) {
    if (on) return this.open({ video: true });
    this.#close("video");
    return this.#changed();
  }

  /** Shows a screen or window in the camera's place, until told otherwise here or in the browser's own bar. */
  async shareScreen(on) {
    if (!on) {
      this.#closeScreen();
      return this.#changed();
    }
    if (this.screen) return undefined;
    if (this.isSilent) throw new RoostError("listener", "A listener sends nothing.");
    if (!navigator.mediaDevices?.getDisplayMedia) throw new RoostError("screen-unsupported", "This browser cannot share a screen.");
    const turn = ++this.#screenTurn;
    let stream;
    try {
      stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: this.besideCamera });
    } catch (error) {
      throw new RoostError(error.name === "NotAllowedError" ? "screen-refused" : "screen-failed", error.message);
    }
    if (turn !== this.#screenTurn) {
      // The call ended, or the person thought again, while the browser's question stood.
      for (const late of stream.getTracks()) late.stop();
      return undefined;
    }
    const [track] = stream.getVideoTracks();
    track.contentHint = "detail";
    track.addEventListener("ended", () => this.screen === track && this.shareScreen(false));
    this.screen = track;
    this.screenAudio = stream.getAudioTracks()[0] ?? null;
    return this.#changed();
  }

  /** Uses another device from now on; `kind` as in MediaDeviceInfo. A speaker is applied by whoever plays the sound. */
  async choose(kind, deviceId) {
    this.chosen = { ...this.chosen, [kind]: deviceId };
    local.set(DEVICES_KEY, JSON.stringify(this.chosen));
    const source = kind === "audioinput" ? "audio" : kind === "videoinput" ? "video" : null;
    if (source && (this[source].track || this[source].state === "opening")) {
      const muted = !this[source].wanted;
      this.#close(source);
      await this.open({ [source]: true, muted });
    }
    this.#changed();
  }

  async refreshDevices() {
    const found = { audioinput: [], videoinput: [], audiooutput: [] };
    try {
      for (const { kind, deviceId, label } of await navigator.mediaDevices.enumerateDevices()) {
        if (deviceId !== "" && found[kind]) found[kind].push({ deviceId, label });
      }
    } catch {
      // No devices to be told of; the lists stay empty.
    }
    this.devices = found;
    this.#changed();
    return found;
  }

  /** Closes everything. What is still being asked for is closed as soon as it is granted. */
  close() {
    this.#close("audio");
    this.#close("video");
    this.#closeScreen();
    this.#changed();
  }

  #closeScreen() {
    this.#screenTurn++;
    this.screen?.stop();
    this.screenAudio?.stop();
    this.screen = this.screenAudio = null;
    this.#endMix();
  }

  #close(kind) {
    const source = this[kind];
    if (source.track) {
      source.track.stop();
      this.stream.removeTrack(source.track);
    }
    source.turn++;
    Object.assign(source, { wanted: false, track: null, state: "off" });
  }

  /** Pulled out while in use: say so, and go on with what else there is. */
  async #lost(kind, track) {
    const source = this[kind];
    if (source.track !== track) return;
    this.stream.removeTrack(track);
    Object.assign(source, { track: null, state: "none" });
    this.#changed();
    this.dispatchEvent(new CustomEvent("lost", { detail: { kind } }));
    await delay(300);
    if (source.wanted && !source.track) await this.open({ [kind]: true });
  }

  async #plugged() {
    await this.refreshDevices();
    for (const [kind, list] of [["audio", "audioinput"], ["video", "videoinput"]]) {
      if (this[kind].wanted && this[kind].state === "none" && this.devices[list].length > 0) this.open({ [kind]: true });
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// ---------------------------------------------------------------- a peer

/**
 * The media between this page and one other member: perfect negotiation (W3C webrtc-pc §10.7), trickled candidates, and
 * an ICE restart whenever the path looks broken.
 *
 * Who was in the room first makes the first offer, and it alone makes transceivers, so there is nothing to collide over
 * at the start. Both transceivers are always there, sending or not: cameras come and go by replaceTrack, without SDP.
 */
class Peer {
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

// ---------------------------------------------------------------- statistics

const transportName = (text) => (["udp", "tcp", "tls"].includes(text) ? text : null);

/**
 * How this browser reaches the TURN server of a relay candidate of its own: "udp", "tcp", "tls", or null. The candidate says it
 * in Chromium (not for UDP), the statistics in Chromium and Firefox.
 */
export async function relayProtocolOf(pc, { address, port, relayProtocol }) {
  if (transportName(relayProtocol)) return relayProtocol;
  // Firefox tells of a candidate before its statistics know it, by some milliseconds.
  for (let tries = 0; tries < 5; tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    try {
      for (const entry of (await pc.getStats()).values()) {
        if (entry.type === "local-candidate" && entry.address === address && entry.port === port) return transportName(entry.relayProtocol);
      }
    } catch {
      // A connection that was closed meanwhile has no statistics.
      return null;
    }
  }
  return null;
}

const emptyTrack = () => ({ codec: null, packets: 0, lost: 0, bytes: 0, loss: 0, bps: 0 });

/** The mean loudness since the sample before: what a glance at one instant would miss between two words. */
function loudness(track, old) {
  const energy = track.energy - (old?.energy ?? 0);
  const heard = track.heard - (old?.heard ?? 0);
  return energy > 0 && heard > 0 ? Math.min(Math.sqrt(energy / heard), 1) : 0;
}

/** One shape from what each browser reports; rates come from the difference to the sample before. */
function readStatistics(report, before, videoTrack, farRelays) {
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

// ---------------------------------------------------------------- Roost

/**
 * The client. Everything to be shown is in its properties; after any change it sends one "change" event. What is over or
 * worth a word comes as "ended" and "notice" events. A page renders from the properties and adds nothing of its own.
 */
export class Roost extends EventTarget {
  /** "signed-out" | "signing-in" | "signed-in" */
  state = "signed-out";
  /** "closed" | "opening" | "open" | "waiting": the socket, not the calls; those go on without it. */
  connection = "closed";
  name = null;
  person = null;
  /** People here beside oneself, by name; `morePeople` counts those beyond the list. */
  people = [];
  morePeople = 0;
  /** The call that goes on or rings, or null. */
  currentCall = null;
  /** Calls that nobody answered here, the latest first: {room, person, name, video, at, reason}. */
  missed = [];
  /** The room that this page is in or enters, or null: {room, state: "entering" | "in", topology, since}. */
  entered = null;
  /** What was said in the room, the oldest first: {at, from, name, text}. */
  chat = [];
  /** Members (and "self") whose hand is up. */
  hands = new Set();
  local = new LocalMedia();

  #signaling;
  #people = new Map();
  #iceServers = [];
  #iceFilter;
  #iceTakenAt = 0;
  #iceTimer = null;
  #icePolicy;
  #url;
  #room = null;
  #self = null;
  /** The name that the page was opened with. */
  #asked = null;
  #early = [];
  #peers = new Map();
  /** The media of a room on a node (roost-room.js), or null. */
  #node = null;
  #RoomMedia = null;
  #backAtTwo = null;
  #topology = "sfu";
  #links = new Map();
  /** While media goes over from one way to the other: whom the new one carries for us, and for whom it carries us, since when. */
  #carriedHere = new Map();
  #carriedThere = new Map();
  #handOverSince = 0;
  /** Two are left, and the straight way is being made anew. */
  #isGoingBack = false;
  #leaving = new Set();
  #closedSince = new Map();
  #flags = "";
  #sampler = null;
  #meter = null;
  /** How late the meter comes, in milliseconds, over the last second or two; and when it came. */
  #lateness = 0;
  #measuredAt = null;

  /**
   * This page gets too little of a processor: what it answers comes late, and a node takes that for a slow download. Whoever is
   * told why a picture is paused should be told this.
   */
  isBusy = false;
  #ringTimer = null;
  #recoveryTimer = null;
  #changePending = false;

  constructor({ url = defaultURL(), iceTransportPolicy = "all", filterIceServers = (servers) => servers } = {}) {
    super();
    this.#url = url;
    this.#icePolicy = iceTransportPolicy === "relay" ? "relay" : "all";
    this.#iceFilter = (servers) => filterIceServers(reachableFrom(url, servers));
    this.#signaling = new Signaling(url, {
      onState: (state) => {
        this.connection = state;
        this.#changed();
      },
      onSession: (answer, resumed) => this.#sessionStands(answer, resumed),
      onMessage: (message) => this.#receive(message),
      onRefused: (problem) => this.#signedOut(problem),
      onCut: (problem) => this.#notice("cut", { code: problem.code, message: problem.message }),
      rooms: () => (this.#room ? [{ room: this.#room.room, epoch: this.#room.epoch, seq: this.#room.seq }] : []),
    });
    this.local.addEventListener("change", () => this.#localChanged());
    this.local.addEventListener("lost", ({ detail }) => this.#notice("device-lost", detail));
    globalThis.addEventListener?.("pagehide", () => this.#leavePage());
    globalThis.addEventListener?.("pageshow", (event) => event.persisted && this.restore().catch(() => {}));
    const moved = () => this.#restartPaths();
    globalThis.addEventListener?.("online", moved);
    navigator.connection?.addEventListener?.("change", moved);
  }

  /** The other members of the room, each with its media and the state of the way to it. */
  get members() {
    if (!this.#room) return [];
    return [...this.#room.members.values()]
      .filter((member) => member.member !== this.#self)
      .map((member) => {
        const peer = this.#peers.get(member.member);
        const hand = this.hands.has(member.member);
        // While a call grows into a room, whoever the node does not carry yet is still heard and seen directly.
        // On the way back it is the other way round; until that begins, a straight way that is left may have ended at its other end.
        const isStraight = peer && this.#isGoingBack && this.#carriesStraight(peer, member);
        if (this.#node && !isStraight && (!peer || this.#isCarried(member))) {
          return { ...member, hand, straight: false, ...this.#node.member(member.member, member.media) };
        }
        return {
          ...member,
          hand,
          straight: peer !== undefined,
          state: peer?.state ?? "new",
          stream: peer?.stream ?? null,
          screenStream: null,
          level: peer?.level ?? 0,
          statistics: peer?.sample ?? null,
          paused: false,
          pausedReason: null,
          rid: null,
        };
      });
  }

  get room() {
    const room = this.#room;
    return room && { room: room.room, kind: room.kind, topology: room.topology, node: room.node, size: room.members.size, locked: Boolean(room.locked) };
  }

  /** This page's own member in the room: its id and role. */
  get me() {
    return this.#room?.members.get(this.#self) ?? null;
  }

  /** The member who speaks most, as the node hears it. */
  get dominant() {
    return this.#node?.dominant ?? null;
  }

  // ---- signing in

  /** Signs in under a display name. Throws RoostError: `name-taken` (with `suggestion`), `name-invalid`, `unavailable`, `version`. */
  async signIn(name) {
    this.state = "signing-in";
    this.#changed();
    let key = local.get(SECRET_KEY);
    if (!key) local.set(SECRET_KEY, (key = randomText(32)));
    try {
      await this.#signaling.signIn({ name: name.trim(), key });
    } catch (error) {
      this.state = "signed-out";
      this.#changed();
      throw error;
    }
  }

  /**
   * Takes up the session (and the call) that this tab had before it was reloaded. False if there is none, or none of this `name`,
   * nor one that began by asking for it (it was taken, and the person took another).
   */
  async restore(name) {
    const left = parsed(session.get(SNAPSHOT_KEY), null);
    session.remove(SNAPSHOT_KEY);
    if (name) this.#asked = name;
    if (!left?.name || (name && left.name !== name && !(left.token && left.asked === name))) return false;
    if (!left.token) {
      await this.signIn(left.name);
      return true;
    }
    this.state = "signing-in";
    this.name = left.name;
    this.#setPeople(left.people ?? []);
    this.morePeople = left.morePeople ?? 0;
    if (left.room) {
      this.#takeRoom(left.room);
      this.#self = left.self;
    }
    if (left.call) {
      this.currentCall = { ...left.call, state: left.call.state === "connected" ? "connecting" : left.call.state };
      this.#watchRing();
    }
    if (left.entered) {
      this.local.besideCamera = true;
      this.entered = { ...left.entered, state: "entering" };
      this.chat = left.chat ?? [];
      this.hands = new Set(left.hands ?? []);
    }
    // A call may have grown into a room on a node.
    if (left.entered || left.call) await this.#loadRoomMedia().catch(() => {});
    this.local.isSilent = this.entered !== null && this.me?.role === "listener";
    if (left.media && this.#self) {
      this.local.open({ audio: true, video: left.media.video, muted: !left.media.audio });
    }
    this.#changed();
    const key = local.get(SECRET_KEY) ?? randomText(32);
    try {
      const { resumed } = await this.#signaling.takeUp({ name: left.name, key }, left);
      if (resumed && this.#room) this.#backInRoom();
      return true;
    } catch (error) {
      this.#signedOut(null);
      throw error;
    }
  }

  /** Hangs up, says goodbye to signal and forgets the session; missed calls too, unless they are to wait for the next page of this tab. */
  signOut({ keepMissed = false } = {}) {
    if (this.currentCall) this.hangUp();
    this.leave();
    this.#signaling.signOut();
    if (!keepMissed) this.forgetMissed();
    this.#signedOut(null);
  }

  // ---- calling

  /** Calls somebody by name or person id. Resolves with the room's id once it rings there. */
  async call(who, { video = true, audio = true } = {}) {
    if (this.state !== "signed-in") throw new RoostError("signed-out", "Sign in first.");
    const known = this.people.find((each) => each.person === who) ?? this.people.find((each) => each.name === who);
    if (this.currentCall?.state === "ringing" && (this.currentCall.peer.person === known?.person || this.currentCall.peer.name === who)) {
      // They were quicker by a moment: calling who calls is answering.
      const { room } = this.currentCall;
      await this.accept({ video, audio });
      return room;
    }
    if (this.currentCall || this.entered) throw new RoostError("busy-self", "You are in a call.");
    const room = `c-${randomText(22)}`;
    this.#begin({
      room,
      direction: "out",
      peer: { person: known?.person ?? null, name: known?.name ?? who },
      video,
      state: "calling",
    });
    // The call does not wait for the camera: it rings meanwhile, and what the camera says is told by `update`.
    if (!video) this.local.setCamera(false);
    const opening = this.local.open({ audio, video });
    const media = { audio, video, screen: false };
    this.#flags = JSON.stringify(media);
    try {
      const answer = await this.#signaling.request("call", { room, to: known?.person ?? who, video, media });
      if (this.currentCall?.room !== room) return room;
      this.#enter(answer);
      await opening;
      return room;
    } catch (error) {
      if (this.currentCall?.room === room) this.#end(error.code, { leave: error.code === "timeout" });
      throw error;
    }
  }

  /** Takes the call that rings, with the camera on or not. */
  async accept({ video = true, audio = true } = {}) {
    const call = this.currentCall;
    if (call?.state !== "ringing") throw new RoostError("no-ring", "Nobody is calling.");
    await this.#join(call, { video, audio });
  }

  /**
   * Rings somebody to come into the call that goes on; resolves once it rings there. From three members on a node carries the call.
   * How it ends is a notice: `added-declined`, `added-busy`, `added-no-answer`, `added-unreachable`.
   */
  async add(who) {
    const call = this.currentCall;
    if (!call || call.state === "ringing" || call.state === "calling") throw new RoostError("no-call", "There is no call to add anybody to.");
    const known = this.people.find((each) => each.person === who) ?? this.people.find((each) => each.name === who);
    await this.#signaling.request("call", { room: call.room, to: known?.person ?? who, video: call.video, media: this.local.flags });
  }

  /** Who is rung to come into the call that goes on: [{person, name}]. */
  get invited() {
    if (this.currentCall?.state !== "connected" && this.currentCall?.state !== "connecting") return [];
    const here = new Set(this.members.map((member) => member.person));
    return (this.#room?.invitations ?? []).filter((each) => each.state === "ringing" && !here.has(each.person)).map(({ person, name }) => ({ person, name }));
  }

  /** Says no to the call that rings. */
  async decline() {
    const call = this.currentCall;
    if (call?.state !== "ringing") return;
    this.#end("declined", { by: "me", leave: false });
    await this.#signaling.request("answer", { room: call.room, state: "declined" }).catch(() => {});
  }

  /** Ends what goes on: cancels an outgoing call, declines a ringing one, leaves a running one. */
  hangUp() {
    const call = this.currentCall;
    if (!call) return;
    if (call.state === "ringing") this.decline();
    else this.#end(call.state === "calling" ? "cancelled" : "you-hung-up", { by: "me" });
  }

  /** Takes missed calls off the list: that of one room, those of one person, or all. */
  forgetMissed(which = {}) {
    this.#setMissed(this.missed.filter((each) => Object.keys(which).some((key) => each[key] !== which[key])));
  }

  // ---- rooms

  /**
   * Enters a room by its name, which makes it if it is not there. Without camera or microphone one is there all the same. The role
   * "listener" sends nothing: no device is opened.
   * Throws RoostError: `bad-room`, `signed-out`, `busy-self`, `locked`, `removed`, `not-allowed`, `unavailable`, `too-many`.
   */
  async enter(room, { audio = true, video = true, topology = this.#topology, role = "speaker" } = {}) {
    if (!ROOM_NAME.test(room)) throw new RoostError("bad-room", "A room's name has 1 to 64 letters, digits, '-', '_' or '.'.");
    if (!TOPOLOGIES.includes(topology)) throw new RoostError("bad-topology", `The topology is one of ${TOPOLOGIES.join(", ")}.`);
    if (this.state !== "signed-in") throw new RoostError("signed-out", "Sign in first.");
    if (this.currentCall || this.entered) throw new RoostError("busy-self", "You are in a call or a room already.");
    this.entered = { room, state: "entering", topology, role, since: Date.now() };
    this.chat = [];
    this.hands.clear();
    this.#early = [];
    this.local.besideCamera = true;
    this.#changed();
    if (!video) this.local.setCamera(false);
    this.#settleRole();
    // Entering does not wait for devices: a question of the browser may stand for minutes.
    this.local.open({ audio, video });
    await this.#joinRoom();
  }

  /** Leaves the room; the others see it at once. */
  leave() {
    if (this.entered) this.#leaveRoom("left", { by: "me" });
  }

  say(text) {
    if (!this.entered || text.trim() === "") return;
    const line = { at: Date.now(), from: this.#self, name: this.name, text: text.trim() };
    this.#addChat(line);
    this.#request("chat", { text: line.text }).then(
      ({ seq }) => {
        line.n = seq;
        // The room was told anew meanwhile, with this line.
        this.chat = this.chat.filter((each) => each === line || lineKey(each) !== lineKey(line));
        this.#changed();
      },
      () => {
        this.chat = this.chat.map((each) => (each === line ? { ...line, unsent: true } : each));
        this.#notice("not-sent");
        this.#changed();
      },
    );
  }

  raiseHand(up) {
    if (!this.entered) return;
    if (up) this.hands.add("self");
    else this.hands.delete("self");
    this.#tell("hand", { up });
    this.#changed();
  }

  react(emoji) {
    if (!this.entered) return;
    this.#tell("reaction", { emoji });
    this.dispatchEvent(new CustomEvent("reaction", { detail: { from: "self", name: this.name, emoji } }));
  }

  /** For hosts: "mute" or "remove" a member, make it "listen" only or let it "speak" again, "lock" or "unlock" the room. */
  async moderate(action, member = null) {
    await this.#signaling.request("moderate", { room: this.#room?.room, member, action });
    if (this.#room && (action === "lock" || action === "unlock")) this.#room.locked = action === "lock";
    this.#changed();
  }

  /** What the page shows, most important first, in device pixels: [{member, source: "camera" | "screen", width, height}]. */
  view(tiles) {
    this.#node?.setView(tiles);
  }

  /**
   * Which way media takes: "sfu" (a node forwards), "mesh" (straight, up to six) or "auto" (straight for two). In a call, and for
   * hosts in a room, that of the call or room, whose media goes over while it goes on; elsewhere that of rooms this page makes.
   * Throws RoostError: `bad-topology`, `not-allowed`, `mesh-full`, `gone`, `too-many`, `unavailable`.
   */
  async setTopology(name) {
    if (!TOPOLOGIES.includes(name)) throw new RoostError("bad-topology", `The topology is one of ${TOPOLOGIES.join(", ")}.`);
    const room = this.#room;
    if (!room) this.#topology = name;
    else if (room.topology !== name) await this.#signaling.request("topology", { room: room.room, topology: name });
  }

  // ---- media of one's own

  setMicrophone(on) {
    return this.local.setMicrophone(on);
  }

  setCamera(on) {
    return this.local.setCamera(on);
  }

  shareScreen(on) {
    return this.local.shareScreen(on);
  }

  useDevice(kind, deviceId) {
    return this.local.choose(kind, deviceId);
  }

  // ---- the ways that media may take

  /** "all", or "relay": only through TURN servers, so that others in a call do not learn this browser's addresses. */
  get iceTransportPolicy() {
    return this.#icePolicy;
  }

  /** A call that goes on looks for another way at once. */
  set iceTransportPolicy(policy) {
    if (policy !== "all" && policy !== "relay") throw new RoostError("bad-policy", 'The policy is "all" or "relay".');
    if (policy === this.#icePolicy) return;
    this.#icePolicy = policy;
    this.#restartPaths();
    this.#changed();
  }

  /** The STUN and TURN servers of this Roost, with credentials: the session's, or what a visitor gets who is not signed in. */
  async iceServers() {
    if (this.state === "signed-in") return this.#iceFilter(this.#iceServers);
    const url = new URL(this.#url.replace(/^ws/, "http"));
    url.pathname = "/ice-servers";
    let answer;
    try {
      answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(GREETING_LIMIT_MS) });
    } catch {
      throw new RoostError("timeout", "The server did not answer in time.");
    }
    if (!answer.ok) throw new RoostError(answer.status === 429 ? "too-many" : "unavailable", (await answer.text()).trim());
    return this.#iceFilter((await answer.json()).iceServers);
  }

  /** Tries the ways out of this network: resolves to candidates, errors and a verdict (diagnose.js, which is loaded here). */
  async diagnose(options = {}) {
    const { diagnose } = await import("./diagnose.js");
    return diagnose({ ...options, iceServers: options.iceServers ?? (await this.iceServers()) });
  }

  // ---- what is known

  /** Live figures: each link, the sums, and how many streams and links there are beside what the topology says. */
  statistics() {
    const members = this.members;
    const size = this.#room?.members.size ?? 0;
    const links = members.map((member) => ({ member: member.member, name: member.name, state: member.state, ...member.statistics }));
    const measured = links.filter((link) => link.at !== undefined);
    const sum = (of) => measured.reduce((total, link) => total + of(link), 0);
    const round = measured.map((link) => link.rttMs).filter((ms) => ms !== null);
    const flowing = (track) => Boolean(track.flowing);
    if (this.#node) return this.#nodeStatistics(members, size);
    return {
      node: this.#room?.node ?? null,
      topology: this.#room?.topology ?? null,
      links,
      path: measured.some((link) => link.path === "relayed") ? "relayed" : (measured.find((link) => link.path)?.path ?? null),
      relay: measured.find((link) => link.path === "relayed")?.relay ?? { here: null, there: null },
      rttMs: round.length > 0 ? Math.max(...round) : null,
      up: { bps: sum((link) => link.up.bps) },
      down: { bps: sum((link) => link.down.bps) },
      counted: {
        members: size,
        links: links.filter((link) => link.state === "connected").length,
        up: measured.filter((link) => flowing(link.sent.audio) || flowing(link.sent.video)).length,
        down: measured.filter((link) => flowing(link.audio) || flowing(link.video)).length,
      },
      // A mesh of n: each sends its stream to n - 1 others over n - 1 links of its own; n² - n streams in the whole room.
      theory: { links: Math.max(size - 1, 0), up: Math.max(size - 1, 0), down: Math.max(size - 1, 0), streams: size * size - size, roomLinks: (size * size - size) / 2 },
    };
  }

  /** Through a node: one link, one stream up (in all its layers), one down for each other member; n² in the whole room. */
  #nodeStatistics(members, size) {
    const { link, sent, state, totals, downBps } = this.#node.figures;
    const links = members.map((member) => ({ member: member.member, name: member.name, state: member.state, rid: member.rid, paused: member.pausedReason, ...member.statistics }));
    const measured = links.filter((each) => each.audio);
    const tracks = measured.flatMap((each) => [each.audio, each.video, each.screen, each.screenAudio].filter(Boolean));
    const flowing = (track) => Boolean(track?.flowing);
    return {
      node: this.#room?.node ?? null,
      topology: this.#room?.topology ?? null,
      links,
      path: link?.path ?? null,
      relay: { here: null, there: null },
      rttMs: link?.rttMs ?? null,
      protocol: link?.protocol ?? null,
      up: { bps: sent.audio.bps + sent.video.bps + sent.screen.bps },
      down: { bps: tracks.reduce((total, track) => total + track.bps, 0) },
      sent,
      totals,
      nodeLinks: (totals?.links ?? []).flatMap(({ member, upBps, downBps, upLoss, downLoss, rttMs }) => {
        const there = this.#room?.members.get(member);
        return there ? [{ member, name: there.name, self: member === this.#self, up: { bps: upBps, loss: upLoss }, down: { bps: downBps, loss: downLoss }, rttMs }] : [];
      }),
      estimateBps: downBps,
      state,
      counted: {
        members: size,
        links: state === "connected" ? 1 : 0,
        up: flowing(sent.audio) || flowing(sent.video) ? 1 : 0,
        down: measured.filter((each) => flowing(each.audio) || flowing(each.video)).length,
      },
      theory: { links: 1, up: 1, down: Math.max(size - 1, 0), streams: size * size, roomLinks: size, roomUp: size, roomDown: size * (size - 1) },
    };
  }

  /** What is going on, in a form for tests and support. */
  async report() {
    if (this.#node && this.#node.age > 400) await this.#node.takeSample().catch(() => {});
    await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(400)));
    const statistics = this.statistics();
    const call = this.currentCall;
    return {
      name: this.name,
      state: this.state,
      connection: this.connection,
      call: call && { peer: call.peer.name, state: call.state, path: statistics.path, relay: statistics.relay, room: call.room },
      room: this.#room?.room ?? null,
      topology: this.#room?.topology ?? null,
      streams: {
        up: statistics.counted.up,
        down: statistics.counted.down,
        theory: { up: statistics.theory.up, down: statistics.theory.down, room: statistics.theory.streams },
      },
      members: this.members.map((member) => {
        const { audio, video } = member.statistics ?? {};
        return {
          name: member.name,
          state: member.state,
          away: member.away ?? false,
          media: member.media,
          audio: { packetsReceived: audio?.packets ?? 0, level: member.level },
          video: {
            framesDecoded: video?.framesDecoded ?? 0,
            width: video?.width ?? 0,
            height: video?.height ?? 0,
            packetsLost: video?.lost ?? 0,
            rid: member.rid,
            freezeCount: video?.freezeCount ?? 0,
            paused: member.paused,
            reason: member.pausedReason,
          },
        };
      }),
      up: { bps: Math.round(statistics.up.bps) },
      down: { bps: Math.round(statistics.down.bps) },
      rttMs: statistics.rttMs,
      node: statistics.node,
    };
  }

  // ---- from signal

  #sessionStands(answer, resumed) {
    this.name = answer.name;
    this.person = answer.person;
    this.#takeIce(answer);
    const kept = parsed(session.get(MISSED_KEY), null);
    this.missed = kept?.person === this.person ? kept.list : [];
    this.state = "signed-in";
    if (!resumed) this.#sessionIsNew();
    this.#changed();
  }

  /** The old session is gone but this page is not: whoever was in a room comes back into it. */
  #sessionIsNew() {
    this.#setPeople([]);
    if (this.entered) {
      this.#closePeers();
      this.#leaveRoomState();
      this.entered = { ...this.entered, state: "entering" };
      this.#joinRoom().catch(() => {});
      return;
    }
    const call = this.currentCall;
    if (!call) return;
    if (call.state === "ringing" || call.state === "calling") {
      this.#end("session-lost", { leave: false });
    } else {
      this.#closePeers();
      this.#leaveRoomState();
      this.#join(call, { again: true }).catch(() => {});
    }
  }

  #receive(message) {
    switch (message.type) {
      case "people":
        this.#setPeople(message.list);
        this.morePeople = message.more ?? 0;
        return this.#changed();
      case "people-change":
        return this.#peopleChanged(message);
      case "ring":
        return this.#ring(message);
      case "ring-end":
        return this.#ringEnded(message);
      case "missed":
        return this.#missedWhileBusy(message);
      case "room":
        return this.#roomAnew(message.state, message.recovering ?? message.state.recovering ?? false);
      case "event":
        return this.#event(message);
      case "media":
        return this.#mediaSaid(message);
      default:
        return undefined;
    }
  }

  #setPeople(list) {
    this.#people = new Map(list.map((each) => [each.person, each]));
    this.#sortPeople();
  }

  #peopleChanged({ joined = [], left = [], changed = [] }) {
    for (const each of [...joined, ...changed]) this.#people.set(each.person, each);
    for (const person of left) this.#people.delete(typeof person === "string" ? person : person.person);
    this.#sortPeople();
    this.#changed();
  }

  #sortPeople() {
    this.people = [...this.#people.values()].filter((each) => each.person !== this.person).sort((a, b) => a.name.localeCompare(b.name));
  }

  #ring({ room, from, video, expires }) {
    const call = this.currentCall;
    if (call?.room === room) return;
    if (call?.state === "calling" && (call.peer.person === from.person || call.peer.name === from.name)) {
      // Both call each other: the smaller room wins, and who called in the other one comes over without being asked.
      if (room > call.room) return;
      this.#signaling.request("leave", { room: call.room }).catch(() => {});
      this.#closePeers();
      this.#leaveRoomState();
      const crossed = { ...call, room, peer: { person: from.person, name: from.name } };
      this.currentCall = crossed;
      this.#join(crossed, { video: call.video }).catch(() => {});
      return;
    }
    if (call || this.entered) {
      this.#signaling.request("answer", { room, state: "busy" }).catch(() => {});
      this.#missedWhileBusy({ room, from, video, at: Date.now() });
      return;
    }
    this.#begin({ room, direction: "in", peer: { person: from.person, name: from.name }, video: Boolean(video), state: "ringing", expires });
  }

  #ringEnded({ room, reason }) {
    const call = this.currentCall;
    if (call?.room !== room || call.state !== "ringing") return;
    this.#end(reason, { leave: false });
  }

  #missedWhileBusy({ room, from, video, at }) {
    if (this.missed.some((each) => each.room === room)) return;
    this.#addMissed({ room, person: from.person, name: from.name, video: Boolean(video), at, reason: "busy" });
    this.#notice("called-while-busy", { name: from.name, person: from.person });
  }

  #addMissed(call) {
    this.#setMissed([call, ...this.missed.filter((each) => each.room !== call.room)].slice(0, MISSED_LIMIT));
  }

  /** Kept as long as the tab, so that a reload does not lose them. */
  #setMissed(list) {
    this.missed = list;
    if (list.length > 0) session.set(MISSED_KEY, JSON.stringify({ person: this.person, list }));
    else session.remove(MISSED_KEY);
    this.#changed();
  }

  #roomAnew(state, recovering) {
    if (this.#where !== state.room || this.#room?.room !== state.room) return;
    if (state.epoch < this.#room.epoch) return;
    const known = this.#room.members;
    this.#takeRoom(state);
    this.#settleRole();
    if (this.entered) this.#takeChat(state.chat);
    clearTimeout(this.#recoveryTimer);
    if (recovering) {
      // The room came up on another node and its members are on their way back: none of them is gone yet, and media is not touched.
      for (const [id, member] of known) if (!this.#room.members.has(id)) this.#room.members.set(id, { ...member, away: true });
      this.#recoveryTimer = setTimeout(() => this.#dropMissing(new Set(state.members.map((each) => each.member))), RECOVERY_LIMIT_MS);
    }
    this.#reconcile();
  }

  /** The room that this page is in or about to be in. */
  get #where() {
    return this.currentCall?.room ?? this.entered?.room ?? null;
  }

  #dropMissing(present) {
    for (const [id, member] of this.#room?.members ?? []) {
      if (member.away && !present.has(id) && id !== this.#self) this.#memberLeft(id, "gone");
    }
  }

  #event(event) {
    const room = this.#room;
    if (!room || event.room !== room.room) {
      // The room's first events may come before the answer to `call` or `join`.
      if (event.room === this.#where && this.#early.length < 256) this.#early.push(event);
      return;
    }
    if (event.n <= room.seq) return;
    room.seq = event.n;
    switch (event.kind) {
      case "joined":
        // Who comes late learns of a hand from its owner: rooms keep chat, not gestures.
        if (this.hands.has("self") && event.member.member !== this.#self) this.#say(event.member.member, "hand", { up: true });
      // falls through
      case "updated":
        room.members.set(event.member.member, event.member);
        if (event.member.member === this.#self) this.#settleRole();
        this.#reconcile();
        break;
      case "left":
        this.#memberLeft(event.member, event.reason);
        break;
      case "locked":
        room.locked = event.locked;
        break;
      case "topology":
        room.topology = event.topology;
        // A way back that waits was of the topology before.
        clearTimeout(this.#backAtTwo);
        this.#backAtTwo = null;
        this.#chooseWay();
        this.#spreadUplink();
        break;
      case "invitation":
        this.#invitation(event.invitation);
        break;
      case "message":
        this.#message(event);
        break;
      case "ended":
        if (event.reason === "moved") break;
        if (this.entered) this.#leaveRoom("ended", { leave: false });
        else this.#end(endWord(event.reason, this.currentCall), { leave: false });
        break;
      default:
    }
    this.#changed();
  }

  #invitation(invitation) {
    const { person, name, by, state } = invitation;
    const call = this.currentCall;
    this.#room.invitations = [...(this.#room.invitations ?? []).filter((each) => each.person !== person), invitation];
    if (call?.state !== "calling" && by === this.#self && ["declined", "busy", "no-answer", "unreachable"].includes(state)) {
      return this.#notice(`added-${state}`, { name, person });
    }
    if (call?.state !== "calling" || (call.peer.person && person !== call.peer.person)) return;
    if (["declined", "busy", "no-answer", "unreachable"].includes(state)) this.#end(state, { by: "them" });
    return undefined;
  }

  #memberLeft(id, reason) {
    const room = this.#room;
    const member = room?.members.get(id);
    if (!member) return;
    room.members.delete(id);
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
    this.hands.delete(id);
    if (id === this.#self && this.entered) {
      if (reason === "removed") this.#leaveRoom("removed", { leave: false });
      else this.#rejoin();
    } else if (id === this.#self) {
      this.#end(reason === "removed" ? "removed" : "session-lost", { leave: false });
    } else if (room.kind === "call" && this.members.length === 0 && this.currentCall.state !== "calling") {
      this.#end(reason === "closed" ? "left" : reason === "gone" ? "lost" : reason === "removed" ? "removed-them" : "hung-up", { by: "them" });
    } else {
      this.#keepPeer();
      this.#chooseWay();
      this.#spreadUplink();
    }
    this.#changed();
  }

  /** A call that grew is with whoever remains: the one it began with may have left. */
  #keepPeer() {
    const call = this.currentCall;
    const others = this.members;
    if (!call || others.length === 0 || others.some((each) => each.person === call.peer.person)) return;
    const [{ person, name }] = others;
    call.peer = { person, name };
  }

  #message({ n, at, from, to, message }) {
    if (from === this.#self || (to && to !== this.#self)) return;
    const { type, body } = message;
    if (this.entered && type === "chat") {
      const text = chatText(body);
      if (text !== null) this.#addChat({ n, at: at ?? Date.now(), from, name: this.#nameOf(from), text });
      this.dispatchEvent(new CustomEvent("chat", { detail: { from, name: this.#nameOf(from), body } }));
    } else if (this.entered && type === "hand") {
      if (body?.up) this.hands.add(from);
      else this.hands.delete(from);
      if (body?.up) this.#notice("hand", { name: this.#nameOf(from) });
    } else if (this.entered && type === "reaction") {
      const { emoji } = body ?? {};
      if (typeof emoji !== "string" || emoji.length > EMOJI_LIMIT || !EMOJI.test(emoji)) return;
      this.dispatchEvent(new CustomEvent("reaction", { detail: { from, name: this.#nameOf(from), emoji } }));
    } else if (type === "chat") {
      this.dispatchEvent(new CustomEvent("chat", { detail: { from, body } }));
    } else if (type === "restart" && body?.leaving) {
      this.#leaving.add(from);
    } else if (type === "restart" && body?.carried) {
      if (!this.#carriedThere.has(from)) this.#carriedThere.set(from, Date.now());
      this.#chooseWay();
    } else if (type === "restart") {
      const link = String(body?.link ?? "");
      this.#leaving.delete(from);
      // Where a node forwards nobody may ask for a straight way: it would show addresses that the node hides. While a call of two
      // grows, whoever comes back from a reload counts three and starts with the node as well.
      if (!this.#isForNode && link > this.#linkOf(from)) {
        this.#startPeer(from, link);
        if (this.#node) this.#leaveNode({ begunWith: from });
      }
    } else if (type === "description" || type === "candidate") {
      // Back at two, the other one was quicker by a moment.
      if (this.#node && !this.#isForNode && !this.#peers.has(from)) this.#leaveNode();
      const peer = this.#peers.get(from);
      if (peer && (body === null || (body.link ?? "") === peer.link)) peer.receive(type, body);
    }
  }

  // ---- the room and its peers

  #begin(call) {
    this.currentCall = { since: Date.now(), connectedAt: null, ...call };
    this.#early = [];
    this.#watchRing();
    // Somebody may be added: then the node's media should begin at once.
    this.#loadRoomMedia().catch(() => {});
    this.#changed();
  }

  /** Calling and ringing both end by the node's word; this is for when that word cannot come. */
  #watchRing() {
    clearTimeout(this.#ringTimer);
    const call = this.currentCall;
    if (call?.state !== "calling" && call?.state !== "ringing") return;
    this.#ringTimer = setTimeout(() => {
      if (this.currentCall === call && (call.state === "calling" || call.state === "ringing")) {
        this.#end("no-answer", { leave: call.state === "calling" });
      }
    }, Math.max(call.since + RING_LIMIT_MS - Date.now(), 1_000));
  }

  async #join(call, { video = call.video, audio = true, again = false }) {
    call.state = "connecting";
    clearTimeout(this.#ringTimer);
    const media = again ? this.local.flags : { audio, video, screen: false };
    this.#flags = JSON.stringify(media);
    if (!again) {
      if (!video) this.local.setCamera(false);
      this.local.open({ audio, video });
    }
    this.#changed();
    try {
      const answer = await this.#signaling.request("join", { room: call.room, media, kind: "call", topology: "auto" });
      if (this.currentCall === call) this.#enter(answer);
      else this.#signaling.request("leave", { room: call.room }).catch(() => {});
    } catch (error) {
      if (this.currentCall === call) this.#end(error.code, { leave: error.code === "timeout" });
      throw error;
    }
  }

  #enter({ room, self, ...ice }) {
    this.#takeIce(ice);
    this.#self = self;
    this.#takeRoom(room);
    for (const event of this.#early.splice(0)) this.#event(event);
    if (!this.currentCall && !this.entered) return;
    this.#settleRole();
    this.#localChanged();
    this.#reconcile();
  }

  #takeRoom(state) {
    this.#room = { ...state, members: new Map(state.members.map((each) => [each.member, each])) };
  }

  /** Makes peers be what the members say: one for each other member, none for anybody else. */
  #reconcile() {
    for (const [id, peer] of this.#peers) {
      if (this.#room.members.has(id)) continue;
      peer.close();
      this.#peers.delete(id);
    }
    this.#chooseWay();
    if (!this.#isForNode) {
      for (const id of this.#room.members.keys()) if (id !== this.#self && !this.#peers.has(id)) this.#startPeer(id, this.#linkOf(id));
    }
    const call = this.currentCall;
    if (call?.state === "calling" && this.members.length > 0) {
      call.state = "connecting";
      clearTimeout(this.#ringTimer);
    }
    if (call && call.state !== "calling") this.#keepPeer();
    if (call && call.state !== "calling" && this.#room.kind === "call" && this.members.length === 0) {
      this.#end("ended", {});
    }
    this.#spreadUplink();
    this.#changed();
  }

  #linkOf(id) {
    return this.#links.get(id) ?? "";
  }

  #startPeer(id, link) {
    const mine = this.#room?.members.get(this.#self);
    const theirs = this.#room?.members.get(id);
    if (!mine || !theirs) return;
    this.#peers.get(id)?.close();
    this.#links.set(id, link);
    const first = mine.joined !== theirs.joined ? mine.joined < theirs.joined : this.#self < id;
    const peer = new Peer({
      member: id,
      link,
      polite: this.#self > id,
      first,
      configuration: this.#configuration(),
      media: this.local,
      hooks: {
        send: (from, type, body) => {
          if (this.#peers.get(id) === from || type === "description") this.#say(id, type, body);
        },
        changed: () => this.#peerChanged(),
        broken: (broken) => this.#restartPath(broken),
        problem: (_, error) => this.#notice("media-problem", { message: error.message }),
      },
    });
    this.#peers.set(id, peer);
    this.#watch();
  }

  #watch() {
    this.#sampler ??= setInterval(() => this.#sample(), 1_000);
    this.#meter ??= setInterval(() => this.#measure(), METER_MS);
  }

  // ---- a room on a node

  /** A node carries rooms of topology `sfu`, and of `auto` from three members on. */
  get #isForNode() {
    const room = this.#room;
    if (!room) return false;
    return room.topology === "sfu" || (room.topology === "auto" && room.members.size >= 3);
  }

  async #loadRoomMedia() {
    this.#RoomMedia ??= (await import("./roost-room.js")).RoomMedia;
  }

  /** Starts the node's media beside what there is, and ends what is no longer wanted once the other carries. */
  #chooseWay() {
    if (!this.#room || !this.#self) return;
    if (this.#isForNode && !this.#RoomMedia) {
      this.#loadRoomMedia().then(
        () => this.#chooseWay(),
        (error) => this.#notice("media-problem", { message: error.message }),
      );
    } else if (this.#isForNode) {
      clearTimeout(this.#backAtTwo);
      this.#backAtTwo = null;
      if (this.#isGoingBack) this.#beginHandOver();
      this.#isGoingBack = false;
      if (!this.#node) this.#startNode();
      const stands = this.#node.connectedAt;
      const isLate = stands !== null && performance.now() - Math.max(stands, this.#handOverSince) > HAND_OVER_LIMIT_MS;
      for (const [id, peer] of this.#peers) {
        const member = this.#room.members.get(id);
        if (member && !this.#isCarried(member) && !(isLate && this.#node.hears(id))) continue;
        if (member && !this.#isHandedOver(id) && !isLate) continue;
        peer.close();
        this.#peers.delete(id);
        this.#changed();
      }
    } else if (this.#node && !this.#backAtTwo && !this.#isGoingBack) {
      this.#backAtTwo = setTimeout(() => this.#leaveNode(), this.#room.topology === "auto" ? BACK_AT_TWO_MS : 0);
    }
  }

  /** The node carries this member, and did so from when that was told: a pause of its picture does not bring the old way back. */
  #isCarried({ member: id, media }) {
    return this.#node.carries(id, media) || (!this.#isGoingBack && this.#carriedHere.has(id) && this.#node.hears(id));
  }

  /** The new way carries this member for us: it is told, and the old way goes on until it says the same of us and had time to show it. */
  #isHandedOver(id) {
    const now = Date.now();
    if (!this.#carriedHere.has(id)) {
      this.#carriedHere.set(id, now);
      this.#say(id, "restart", { carried: true });
      // The page must show the new way before the old one ends; statistics, from which this is known, say no "change".
      this.#changed();
    }
    const there = this.#carriedThere.get(id);
    return (there !== undefined && now - there > LINGER_MS) || now - this.#carriedHere.get(id) > HAND_OVER_LIMIT_MS;
  }

  #beginHandOver() {
    this.#handOverSince = performance.now();
    this.#carriedHere.clear();
    this.#carriedThere.clear();
  }

  #startNode() {
    this.#beginHandOver();
    this.#node = new this.#RoomMedia({
      room: this.#room.room,
      media: this.local,
      configuration: this.#configuration(),
      request: (type, fields) => this.#signaling.request(type, fields),
      hooks: {
        changed: () => {
          this.#chooseWay();
          this.#peerChanged();
        },
        levels: () => this.dispatchEvent(new Event("levels")),
        problem: (error) => this.#notice("media-problem", { message: error.message }),
      },
    });
    this.#watch();
  }

  /** Back to straight media: the node's ends when the peers' stands, or when those do not come up in time. */
  #leaveNode({ begunWith = null } = {}) {
    clearTimeout(this.#backAtTwo);
    this.#backAtTwo = null;
    if (!this.#node || this.#isForNode) return;
    for (const id of this.#room.members.keys()) {
      if (id === this.#self) continue;
      if (!this.#peers.has(id)) this.#startPeer(id, this.#linkOf(id));
      else if (id !== begunWith && !this.#isGoingBack && this.#mayBeOneSided(id)) this.#startAnewWith(id);
    }
    this.#isGoingBack = true;
    const node = this.#node;
    const until = Date.now() + RECOVERY_LIMIT_MS;
    this.#beginHandOver();
    const look = async () => {
      await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(150)));
      if (this.#node !== node || this.#isForNode) return;
      const isOver = [...this.#peers].map(([id, peer]) => this.#carriesStraight(peer, this.#room.members.get(id)) && this.#isHandedOver(id));
      this.#changed();
      if (isOver.includes(false) && Date.now() < until) return void setTimeout(look, 100);
      this.#node = null;
      this.#isGoingBack = false;
      node.close();
      this.#changed();
    };
    look();
  }

  /** A straight way from before the room grew: the other end may have closed its side when the third left, for it was carried already. */
  #mayBeOneSided(id) {
    const peer = this.#peers.get(id);
    return this.#carriedHere.has(id) || this.#carriedThere.has(id) || peer.isClosedThere || peer.state !== "connected";
  }

  /** What comes straight from this member can be heard, and seen if there is a picture. */
  #carriesStraight(peer, member) {
    return peer.state === "connected" && (!(member?.media.video || member?.media.screen) || (peer.sample?.video.framesDecoded ?? 0) > 0);
  }

  #mediaSaid(message) {
    if (message.room !== this.#where) return;
    if (message.kind === "muted-by") {
      this.#node?.receive(message);
      this.local.setMicrophone(false);
      this.#notice("muted-by", { name: message.by ?? "" });
    } else {
      this.#node?.receive(message);
    }
  }

  async #joinRoom() {
    const entered = this.entered;
    const media = this.local.flags;
    this.#flags = JSON.stringify(media);
    try {
      await this.#loadRoomMedia();
      const answer = await this.#signaling.request("join", { room: entered.room, media, kind: "room", topology: entered.topology, role: entered.role ?? "speaker" });
      if (this.entered !== entered) return void (this.entered?.room !== entered.room && this.#signaling.request("leave", { room: entered.room }).catch(() => {}));
      entered.state = "in";
      this.#takeChat(answer.room.chat);
      // The others' hands are told by them to who comes; of one's own they know nothing after a new start.
      const isUp = this.hands.has("self");
      this.hands.clear();
      if (isUp) this.hands.add("self");
      this.#enter(answer);
      if (isUp && this.entered === entered) this.#tell("hand", { up: true });
    } catch (error) {
      if (this.entered === entered) this.#leaveRoom(error.code ?? "unavailable", { leave: error.code === "timeout" });
      throw error;
    }
    return undefined;
  }

  /** A listener's devices are closed; a speaker opens them when it wants. Told where it was not so asked for. */
  #settleRole() {
    const isListener = this.entered !== null && (this.me?.role ?? this.entered.role) === "listener";
    if (isListener === this.local.isSilent) return;
    this.local.isSilent = isListener;
    if (isListener) this.local.close();
    else this.#localChanged();
    if (this.entered && this.me) this.#notice(isListener ? "made-listener" : "made-speaker");
  }

  /** After a reload: the session and the membership stand, the media starts anew. */
  #backInRoom() {
    if (this.entered) this.entered.state = "in";
    this.#chooseWay();
    if (!this.#isForNode) this.#startAnew();
    this.#localChanged();
  }

  /** The room gave this page up (it was silent for too long), but this page has not given up the room. */
  #rejoin() {
    this.#closePeers();
    this.#leaveRoomState();
    this.entered = { ...this.entered, state: "entering" };
    this.#joinRoom().catch(() => {});
  }

  #leaveRoom(reason, { by = null, leave = true } = {}) {
    const { room, since } = this.entered;
    this.entered = null;
    if (leave) this.#signaling.request("leave", { room }).catch(() => {});
    this.#closePeers();
    this.#leaveRoomState();
    this.hands.clear();
    this.local.close();
    this.local.besideCamera = this.local.isSilent = false;
    this.dispatchEvent(new CustomEvent("room-left", { detail: { room, reason, by, seconds: Math.round((Date.now() - since) / 1_000) } }));
    this.#changed();
  }

  #nameOf(id) {
    return this.#room?.members.get(id)?.name ?? "";
  }

  #request(type, body) {
    return this.#signaling.request("send", { room: this.#room?.room ?? this.entered.room, to: null, message: { type, body } });
  }

  #tell(type, body) {
    this.#request(type, body).catch(() => this.#notice("not-sent"));
  }

  /** What the room remembers of what was said, and beside it what only this page knows: lines on their way, or that were not sent. */
  #takeChat(list = []) {
    const known = new Map(this.chat.map((each) => [lineKey(each), each]));
    const said = list
      .map((each) => known.get(lineKey(each)) ?? { n: each.n, at: each.at, from: each.from, name: each.name, text: chatText(each.body) })
      .filter(({ text }) => text !== null);
    const rest = this.chat.filter((each) => !said.includes(each));
    const order = ({ n }) => n ?? Number.MAX_SAFE_INTEGER;
    this.chat = [...said, ...rest].sort((a, b) => order(a) - order(b)).slice(-CHAT_LIMIT);
  }

  #addChat(line) {
    this.chat = [...this.chat, line].slice(-CHAT_LIMIT);
    this.#changed();
  }

  #say(to, type, body) {
    if (!this.#room) return;
    this.#signaling.request("send", { room: this.#room.room, to, message: { type, body } }).catch(() => {});
  }

  /** After a reload: the connections died with the page, and the others are asked to start them anew. */
  #startAnew() {
    for (const id of this.#room.members.keys()) {
      if (id !== this.#self) this.#startAnewWith(id);
    }
    this.#changed();
  }

  #startAnewWith(id) {
    // Later than any name before it: names grow with the clock.
    const link = `${Date.now().toString(36).padStart(10, "0")}-${randomText(6)}`;
    this.#say(id, "restart", { link });
    this.#startPeer(id, link);
  }

  #configuration() {
    return { iceServers: this.#iceFilter(this.#iceServers), iceTransportPolicy: this.#icePolicy, bundlePolicy: "max-bundle" };
  }

  #restartPaths() {
    this.#node?.restart(this.#configuration());
    for (const peer of this.#peers.values()) this.#restartPath(peer);
  }

  /** Looks for another way, through servers that live now: the one in use may be what broke. */
  async #restartPath(peer) {
    if (this.connection === "open" && this.#iceTimer && Date.now() - this.#iceTakenAt > ICE_FRESH_MS) {
      await Promise.race([this.#renewIce(), new Promise((resolve) => setTimeout(resolve, ICE_WAIT_MS))]);
    }
    peer.restart(this.#configuration());
  }

  /** Servers, and credentials that last some time: others are asked for at half of it, so that a call never begins with spent ones. */
  #takeIce({ iceServers, iceSeconds }) {
    if (!iceServers) return;
    if (iceSeconds === 0) {
      // No registry answered: what there is goes on, and is asked for again.
      this.#renewIceIn(ICE_RETRY_S);
      if (this.#iceServers.length > 0) return;
    } else {
      this.#renewIceIn(iceSeconds / 2);
    }
    this.#iceServers = iceServers;
    this.#iceTakenAt = Date.now();
  }

  #renewIceIn(seconds) {
    clearTimeout(this.#iceTimer);
    // A timer holds 24 days at most; a day is soon enough for what lasts longer.
    this.#iceTimer = seconds > 0 ? setTimeout(() => this.#renewIce(), Math.min(seconds, 86_400) * 1_000) : null;
  }

  async #renewIce() {
    this.#iceTakenAt = Date.now();
    try {
      this.#takeIce(await this.#signaling.request("ice-servers"));
    } catch {
      if (this.state === "signed-in") this.#renewIceIn(ICE_RETRY_S);
    }
  }

  #peerChanged() {
    const call = this.currentCall;
    const stands = this.#node?.state === "connected" || [...this.#peers.values()].some((peer) => peer.state === "connected");
    if (call?.state === "connecting" && stands) {
      call.state = "connected";
      call.connectedAt ??= Date.now();
      // They have each other now: what was missed before is settled.
      this.forgetMissed({ person: call.peer.person });
      this.#spreadUplink();
    }
    this.#changed();
  }

  #spreadUplink() {
    const bps = VIDEO_BPS[Math.min(Math.max(this.#room?.members.size ?? 2, 2), 6)];
    for (const peer of this.#peers.values()) if (peer.state === "connected") peer.limitTo(bps);
  }

  async #sample() {
    if (this.#node && this.#node.age > 400) await this.#node.takeSample().catch(() => {});
    this.#chooseWay();
    // A report just before would leave some milliseconds to measure rates over.
    await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(400)));
    this.#spreadUplink();
    this.dispatchEvent(new Event("statistics"));
  }

  #measure() {
    this.#node?.measureLevels();
    const now = performance.now();
    this.#measureLateness(now);
    for (const [id, peer] of this.#peers) {
      peer.measureLevel(now);
      const isGone = this.#room.members.get(id)?.away && (this.#leaving.has(id) || peer.isClosedThere);
      if (!isGone) this.#closedSince.delete(id);
      else if (!this.#closedSince.has(id)) this.#closedSince.set(id, now);
      else if (now - this.#closedSince.get(id) > RETURN_LIMIT_MS) return this.#memberLeft(id, "closed");
    }
    this.dispatchEvent(new Event("levels"));
    return undefined;
  }

  /** A hidden page's timers are late by the browser's will. */
  #measureLateness(now) {
    const late = this.#measuredAt === null || document.hidden ? 0 : Math.min(Math.max(now - this.#measuredAt - METER_MS, 0), LATEST_MS);
    this.#measuredAt = now;
    this.#lateness += (late - this.#lateness) / 10;
    const isBusy = this.#lateness > (this.isBusy ? BUSY_MS / 3 : BUSY_MS);
    if (isBusy === this.isBusy) return;
    this.isBusy = isBusy;
    this.#changed();
  }

  #localChanged() {
    for (const peer of this.#peers.values()) peer.useTracks();
    this.#node?.useTracks();
    const opening = this.local.audio.state === "opening" || this.local.video.state === "opening";
    const flags = JSON.stringify(this.local.flags);
    if (this.#room && this.#self && !opening && flags !== this.#flags) {
      this.#flags = flags;
      this.#signaling.request("update", { room: this.#room.room, media: this.local.flags }).catch(() => {});
    }
    this.#changed();
  }

  // ---- endings

  #end(reason, { by = null, leave = true } = {}) {
    const call = this.currentCall;
    if (!call) return;
    this.currentCall = null;
    clearTimeout(this.#ringTimer);
    if (leave) this.#signaling.request("leave", { room: call.room }).catch(() => {});
    this.#closePeers();
    this.#leaveRoomState();
    // A ring opens nothing: what is open then is a person looking at oneself.
    if (call.state !== "ringing") this.local.close();
    if (call.state === "ringing" && MISSED_REASONS.includes(reason)) {
      this.#addMissed({ room: call.room, ...call.peer, video: call.video, at: call.since, reason });
    }
    const seconds = call.connectedAt ? Math.round((Date.now() - call.connectedAt) / 1000) : null;
    this.dispatchEvent(
      new CustomEvent("ended", { detail: { reason, by, direction: call.direction, peer: call.peer, video: call.video, room: call.room, seconds } }),
    );
    this.#changed();
  }

  #closePeers() {
    this.#node?.close();
    this.#node = null;
    this.#isGoingBack = false;
    clearTimeout(this.#backAtTwo);
    this.#backAtTwo = null;
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    this.#links.clear();
    this.#beginHandOver();
    this.#leaving.clear();
    this.#closedSince.clear();
    clearInterval(this.#sampler);
    clearInterval(this.#meter);
    this.#sampler = this.#meter = this.#measuredAt = null;
    this.#lateness = 0;
    this.isBusy = false;
  }

  #leaveRoomState() {
    clearTimeout(this.#recoveryTimer);
    this.#room = null;
    this.#self = null;
    this.#early = [];
    this.#flags = "";
  }

  #signedOut(problem) {
    if (this.currentCall) this.#end("session-lost", { leave: false });
    if (this.entered) this.#leaveRoom("session-lost", { leave: false });
    this.state = "signed-out";
    this.person = null;
    this.#renewIceIn(0);
    this.#setPeople([]);
    if (problem) this.#notice("signed-out", { code: problem.code, message: problem.message, suggestion: problem.suggestion });
    this.#changed();
  }

  /**
   * No browser says whether a page is reloaded or closed. In a call we stay for as long as a reload takes (the others are told,
   * and give us RETURN_LIMIT_MS); else we say goodbye at once, and a reload signs in anew under the same name.
   */
  #leavePage() {
    if (this.state !== "signed-in") return;
    const stays = this.entered?.state === "in" || ["connecting", "connected"].includes(this.currentCall?.state);
    if (!stays || !this.#room) {
      session.set(SNAPSHOT_KEY, JSON.stringify({ name: this.name }));
      if (this.currentCall) this.hangUp();
      this.#signaling.leave();
      return;
    }
    for (const id of this.#peers.keys()) this.#say(id, "restart", { leaving: true });
    // Not only closed but forgotten: a browser may show this very page again.
    this.#closePeers();
    session.set(
      SNAPSHOT_KEY,
      JSON.stringify({
        token: this.#signaling.token,
        seq: this.#signaling.seq,
        nextId: this.#signaling.nextId,
        name: this.name,
        asked: this.#asked,
        people: this.people,
        morePeople: this.morePeople,
        call: this.currentCall,
        entered: this.entered,
        // What had no answer yet cannot get one any more.
        chat: this.chat.map((each) => (each.n === undefined ? { ...each, unsent: true } : each)),
        hands: [...this.hands],
        self: this.#self,
        media: this.local.flags,
        room: this.#room && { ...this.#room, members: [...this.#room.members.values()] },
      }),
    );
  }

  #notice(code, detail = {}) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { notice: code, ...detail } }));
  }

  /** One "change" for everything that changed in this turn. */
  #changed() {
    if (this.#changePending) return;
    this.#changePending = true;
    queueMicrotask(() => {
      this.#changePending = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

/** Two lives of a room may give one number to two lines, of different members. One without a number is not said yet. */
const lineKey = ({ n, from }) => (n === undefined ? null : `${n} ${from}`);

/** A chat line as any client may have sent it; null if it says nothing. */
function chatText(body) {
  const text = typeof body === "string" ? body : body?.text;
  return typeof text === "string" && text.trim() !== "" ? text.slice(0, 4_000) : null;
}

/** One emoji, with its shades and joints, or a flag: a reaction is drawn over a picture, where nobody is to write. */
const EMOJI = /^(\p{RI}{2}|\p{Extended_Pictographic}[\u{1f3fb}-\u{1f3ff}\u200d\ufe0f\p{Extended_Pictographic}]*)$/u;
const EMOJI_LIMIT = 24;

/** The word for a room's end as this side of the call sees it. */
function endWord(reason, call) {
  if (reason === "not-answered") return "no-answer";
  if (call?.state === "calling" || call?.state === "ringing") return "ended";
  return reason === "hung-up" || reason === "empty" ? "hung-up" : "ended";
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/i;

/** A server's loopback addresses are for pages on that same machine; to others they are only something to wait for. */
function reachableFrom(url, servers) {
  if (LOOPBACK.test(new URL(url).hostname)) return servers;
  return servers
    .map((server) => ({ ...server, urls: [server.urls].flat().filter((each) => !LOOPBACK.test(each.replace(/^\w+:|(:\d+)?(\?.*)?$/g, ""))) }))
    .filter(({ urls }) => urls.length > 0);
}

function defaultURL() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}
