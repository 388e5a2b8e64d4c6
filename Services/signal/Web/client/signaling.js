import { RoostError } from "./roost-error.js";
import { parsed } from "./storage.js";

const PROTOCOL_VERSION = 1;
/** Signal asks who is silent for 7 s (the browser answers that) and cuts who says nothing by itself for 75 s; a hidden page's timers come once a minute. */
const PING_EVERY_MS = 10_000;
/** Two pings without a word back, and the socket counts as dead although nobody closed it. */
const SILENCE_LIMIT_MS = 22_000;
/** When something says that the network changed, an answer is due sooner than that. */
const PROBE_LIMIT_MS = 3_000;
/** Signal answers a greeting within its own deadline (5 s) or not at all. */
export const GREETING_LIMIT_MS = 8_000;
/** Half of the second that the protocol allows, so that a slow timer still makes it. */
const ACK_AFTER_MS = 500;
const BACKOFF_FIRST_MS = 150;
const BACKOFF_LAST_MS = 3_000;
/** Longer than any deadline of the services behind signal (5 s), with room for one reconnection. */
const REQUEST_LIMIT_MS = 20_000;

/**
 * The socket: signs in, resumes after a drop at whichever instance answers, repeats what had no answer, acknowledges
 * what came. It knows nothing of rooms; `onMessage` gets each numbered message once and in order.
 */
export class Signaling {
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
