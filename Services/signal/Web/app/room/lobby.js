/** Before the room: a look at oneself, a name, and the door. One may go in without camera and microphone. */

import { byId, setIcon, setLabel, setText, show } from "../dom.js";
import { Meter } from "../meter.js";
import { mediaText, words } from "../words.js";

export class Lobby {
  problem = null;
  outcome = null;
  busy = false;
  /** Whether entering again can only fail. */
  isFinal = false;
  /** What goes on as one enters, though it is not on now: what was on when the room was left. The buttons show it. */
  plan = { audio: false, video: false };

  #roost;
  #meter = null;
  #looked = false;
  #listens;

  /** Who `listens` has no devices to choose. */
  constructor(roost, { room, listens }, enter) {
    this.#roost = roost;
    this.#listens = listens;
    setText(byId("lobby-lead"), listens ? words.room.lobby.listenLead : words.room.lobby.lead);
    show(byId("lobby-mic").parentElement, !listens);
    setText(byId("lobby-title"), words.room.heading(room));
    byId("lobby-form").addEventListener("submit", (event) => {
      event.preventDefault();
      enter(byId("name").value);
    });
    byId("suggestion").addEventListener("click", () => {
      byId("name").value = this.problem.suggestion;
      enter(this.problem.suggestion);
    });
    byId("name").addEventListener("input", () => {
      if (!this.problem) return;
      this.problem = null;
      this.render();
    });
    byId("lobby-mic").addEventListener("click", () => this.#turn("audio", (on) => roost.setMicrophone(on)));
    byId("lobby-camera").addEventListener("click", () => this.#turn("video", (on) => roost.setCamera(on)));
  }

  /** Opens camera and microphone once, so that one sees oneself before others do. */
  look() {
    if (this.#looked || this.#listens) return;
    this.#looked = true;
    this.#roost.local.open({ audio: true, video: true });
  }

  lookAgain() {
    this.#looked = false;
  }

  /** Whether a device will be on inside. */
  goesOn(kind) {
    const { state } = this.#roost.local[kind];
    return state === "off" ? this.plan[kind] : state !== "refused";
  }

  #turn(kind, set) {
    const isPlanned = this.#isPlanned(kind);
    this.plan[kind] = false;
    if (isPlanned) this.render();
    else set(this.#roost.local[kind].state !== "on");
  }

  #isPlanned(kind) {
    return this.plan[kind] && this.#roost.local[kind].state === "off";
  }

  render() {
    const { local } = this.#roost;
    const { lobby } = words.room;
    const cameraOn = local.video.state === "on";
    const planned = { audio: this.#isPlanned("audio"), video: this.#isPlanned("video") };
    const mic = planned.audio || local.audio.state === "on";
    const camera = planned.video || cameraOn;
    const button = (id, on, name, label) => {
      setIcon(byId(id), name);
      setLabel(byId(id), label);
      byId(id).classList.toggle("off", !on);
    };
    button("lobby-mic", mic, mic ? "mic" : "micOff", mic ? lobby.micOff : lobby.micOn);
    button("lobby-camera", camera, camera ? "camera" : "cameraOff", camera ? lobby.cameraOff : lobby.cameraOn);
    const video = byId("preview-video");
    const stream = cameraOn ? local.stream : null;
    if (video.srcObject !== stream) video.srcObject = stream;
    show(video, cameraOn);
    const opening = local.audio.state === "opening" || local.video.state === "opening";
    setText(byId("preview-empty"), cameraOn ? "" : this.#listens ? lobby.noPictureOfListener : opening ? words.check.opening : planned.video ? lobby.pictureInside : lobby.noPicture);
    const note = mediaText(local);
    const goOn = planned.audio || planned.video ? lobby.goOn(planned) : "";
    setText(byId("lobby-note"), this.#listens ? "" : note ? `${note} ${lobby.without}` : goOn);
    const micOn = local.audio.state === "on";
    show(byId("preview-meter-row"), micOn);
    this.#measure(micOn ? local.audio.track : null);
    byId("enter").disabled = this.busy;
    show(byId("enter"), !this.isFinal);
    setText(byId("enter"), this.busy ? lobby.entering : this.outcome !== null ? words.room.again : lobby.enter);
    const { code, name, suggestion } = this.problem ?? {};
    const text = code ? (words.signIn[code] ?? words.room.out[code] ?? words.room.out.other) : "";
    setText(byId("name-error"), typeof text === "function" ? text(name) : text);
    byId("name").setAttribute("aria-invalid", String(["empty", "name-taken", "name-invalid"].includes(code)));
    show(byId("suggestion"), Boolean(suggestion));
    if (suggestion) setText(byId("suggestion"), words.signIn.suggestion(suggestion));
    show(byId("lobby-outcome"), this.outcome !== null);
    setText(byId("lobby-outcome"), this.outcome ?? "");
  }

  stop() {
    this.#measure(null);
    byId("preview-video").srcObject = null;
  }

  #measure(track) {
    if (this.#meter?.track === track) return;
    this.#meter?.stop();
    this.#meter = track && new Meter(track, byId("preview-meter"));
  }
}
