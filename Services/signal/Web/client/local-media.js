import { RoostError } from "./roost-error.js";
import { local, parsed } from "./storage.js";

const DEVICES_KEY = "roost.devices";

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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
export class LocalMedia extends EventTarget {
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
