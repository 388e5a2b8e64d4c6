/** The stage: a tile for each member, the controls, and words for what is going on. */

import { avatar, byId, clock, icon, make, setIcon, setLabel, setText, show } from "./dom.js";
import { shapeOf } from "./layout.js";
import { Player, Sound } from "./player.js";
import { mediaText, whyPaused, words } from "./words.js";

/** When connecting takes longer than this, say what may be in the way. */
const SLOW_MS = 12_000;
/** Levels above this read as speech; below it is room noise. */
const SPEAKING = 0.02;

export class Stage {
  #roost;
  #tiles = new Map();
  #since = null;

  constructor(roost, { openDevices, togglePanel, addPerson }) {
    this.#roost = roost;
    byId("control-mic").addEventListener("click", () => this.toggleMicrophone());
    byId("control-camera").addEventListener("click", () => this.toggleCamera());
    byId("control-screen").addEventListener("click", () => this.toggleScreen());
    byId("control-devices").addEventListener("click", openDevices);
    byId("control-panel").addEventListener("click", togglePanel);
    byId("control-add").addEventListener("click", addPerson);
    byId("path-chip").addEventListener("click", togglePanel);
    byId("hang-up").addEventListener("click", () => roost.hangUp());
    byId("hear").addEventListener("click", () => this.#hear());
    roost.addEventListener("levels", () => this.#levels());
    roost.addEventListener("statistics", () => this.#path());
    // Any touch is the touch that the browser waits for.
    for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, () => this.#hear(), { capture: true, passive: true });
    setInterval(() => this.#time(), 1_000);
    new ResizeObserver(() => {
      this.#shape();
      this.#tell();
    }).observe(byId("tiles"));
    document.addEventListener("visibilitychange", () => this.#tell());
  }

  toggleMicrophone() {
    return this.#roost.setMicrophone(this.#roost.local.audio.state !== "on");
  }

  toggleCamera() {
    return this.#roost.setCamera(this.#roost.local.video.state !== "on");
  }

  toggleScreen() {
    return this.#roost.shareScreen(!this.#roost.local.screen).catch((error) => {
      // Not choosing a screen is not a failure.
      if (error.code !== "screen-refused") this.#roost.dispatchEvent(new CustomEvent("notice", { detail: { notice: error.code } }));
    });
  }

  render() {
    const { currentCall: call, members, local } = this.#roost;
    if (!call) return this.#clear();
    this.#since ??= { room: call.room, at: performance.now() };
    const names = members.length > 0 ? members.map((member) => member.name) : [call.peer.name];
    setText(byId("call-title"), words.call.with(names.join(", ")));
    setText(byId("call-status"), this.#status(call, members));
    this.#time();
    this.#path();
    this.#renderTiles(call, members, local);
    this.#renderControls(call, local);
    const note = mediaText(local);
    show(byId("media-note"), note !== null);
    setText(byId("media-note"), note ?? "");
    show(byId("hear"), [...this.#tiles.values()].some(({ sound }) => sound?.blocked));
    return undefined;
  }

  #status(call, members) {
    if (call.state === "calling") return this.#roost.room ? words.call.calling : words.call.placing;
    const away = members.find((member) => member.away);
    if (members.some((member) => member.state === "reconnecting")) return words.call.reconnecting;
    if (call.state === "connected") return away ? words.call.away(away.name) : words.call.connected;
    return performance.now() - this.#since.at > SLOW_MS ? words.call.slow : words.call.connecting;
  }

  #time() {
    const call = this.#roost.currentCall;
    if (!call) return;
    setText(byId("call-time"), call.connectedAt ? clock((Date.now() - call.connectedAt) / 1000) : "");
    if (call.state === "connecting") setText(byId("call-status"), this.#status(call, this.#roost.members));
    show(byId("slow-check"), call.state === "connecting" && performance.now() - this.#since.at > SLOW_MS);
  }

  #path() {
    const { path: way, sent } = this.#roost.statistics();
    const path = way === "direct" && sent ? "forwarded" : way;
    const chip = byId("path-chip");
    show(chip, path !== null);
    if (path === null) return;
    setText(chip, words.call[path]);
    chip.dataset.path = path;
    chip.setAttribute("aria-label", words.call.pathLabel(words.call[path]));
  }

  // ---- tiles

  #renderTiles(call, members, local) {
    const others =
      members.length > 0
        ? [
            // Through a node a shared screen is a stream of its own; straight it takes the camera's place.
            ...members.map((member) => ({ ...member, key: member.member, picture: (member.media.screen && member.screenStream) || member.stream })),
            ...this.#roost.invited.map(({ person, name }) => ({ key: `invited ${person}`, name, media: {}, state: "new", stream: null, rings: true })),
          ]
        : [{ key: "waiting", name: call.peer.name, media: {}, state: "new", stream: null }];
    // The callee's own tile takes over from the one that waited for them.
    const self = { key: "self", self: true, name: words.you, media: local.flags, stream: local.screen ? null : local.stream, state: "connected" };
    const shown = [...others, self];
    const wanted = new Set(shown.map((each) => each.key));
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      this.#close(tile);
      this.#tiles.delete(key);
    }
    const container = byId("tiles");
    for (const each of shown) {
      let tile = this.#tiles.get(each.key);
      if (!tile) {
        tile = this.#makeTile(each);
        this.#tiles.set(each.key, tile);
        container.append(tile.element);
      }
      this.#updateTile(tile, each, call);
    }
    container.dataset.count = String(shown.length);
    const selfTile = this.#tiles.get("self").element;
    if (container.lastElementChild !== selfTile) container.append(selfTile);
    this.#shape();
    this.#tell();
  }

  /** Columns and rows for the tiles there are; of two, one's own lies on the other. */
  #shape() {
    const container = byId("tiles");
    const count = this.#tiles.size;
    const { columns, rows } = (count > 2 && shapeOf(count, { width: container.clientWidth, height: container.clientHeight })) || { columns: 1, rows: 1 };
    container.style.setProperty("--columns", columns);
    container.style.setProperty("--rows", rows);
  }

  /** What a node that carries the call needs to know: which pictures are shown, and how large. */
  #tell() {
    if (this.#roost.members.length < 2) return;
    const ratio = devicePixelRatio || 1;
    const shown = document.hidden ? [] : this.#roost.members;
    const tiles = shown.flatMap(({ member, media }) => {
      const { width, height } = this.#tiles.get(member)?.element.getBoundingClientRect() ?? { width: 0, height: 0 };
      return width > 0 ? [{ member, source: media.screen ? "screen" : "camera", width: Math.round(width * ratio), height: Math.round(height * ratio) }] : [];
    });
    this.#roost.view(tiles);
  }

  #makeTile({ key, self, name }) {
    const video = make("video", { autoplay: true, playsInline: true, muted: true, className: "tile-video", "aria-hidden": "true" });
    video.muted = true;
    const audio = self ? null : make("audio", { autoplay: true });
    const label = make("bdi", { className: "tile-name", text: name });
    const off = make("span", { className: "tile-off", role: "img", "aria-label": words.call.muted, title: words.call.muted }, icon("micOff"));
    const note = make("span", { className: "tile-note" });
    const element = make(
      "div",
      { className: self ? "tile tile-self" : "tile", role: "group", "data-testid": self ? "tile-self" : "tile", "data-member": key, "aria-label": name },
      make("span", { className: "tile-face" }, avatar(self ? this.#roost.name : name)),
      video,
      ...(audio ? [audio] : []),
      note,
      make("span", { className: "tile-foot" }, off, label),
    );
    return { key, element, picture: new Player(video), sound: audio && new Sound(audio, () => this.render()), label, off, note };
  }

  #updateTile(tile, { self, name, media, stream, picture = stream, state, away, paused, pausedReason, rings }, call) {
    const { element, sound } = tile;
    const showsScreen = Boolean(media.screen);
    const source = self && showsScreen ? this.#screenStream() : picture;
    const seen = Boolean(media.video || media.screen) && source !== null && (self || state !== "new");
    tile.picture.play(source, { atOnce: Boolean(self) });
    sound?.useSpeaker(this.#roost.local.chosen.audiooutput);
    sound?.listen(stream);
    element.classList.toggle("has-picture", seen && !paused);
    element.classList.toggle("shares-screen", showsScreen);
    element.classList.toggle("mirror", Boolean(self && !showsScreen));
    element.classList.toggle("calling", Boolean(rings) || (!self && call.state === "calling"));
    setText(tile.label, showsScreen ? (self ? words.call.youShare : words.call.sharing(name)) : name);
    if (element.getAttribute("aria-label") !== (self ? words.call.selfTile : words.call.tile(name))) {
      element.setAttribute("aria-label", self ? words.call.selfTile : words.call.tile(name));
    }
    show(tile.off, !media.audio && !rings && (self || call.state !== "calling"));
    const trouble = self || (call.state === "calling" && !rings) ? "" : rings ? words.call.calling : this.#trouble(name, state, away, paused ? pausedReason : null);
    setText(tile.note, trouble);
    show(tile.note, trouble !== "");
  }

  #trouble(name, state, away, pausedReason) {
    if (state === "reconnecting") return words.call.reconnecting;
    if (state !== "connected") return words.call.connecting;
    if (away) return words.call.away(name);
    return words.call.paused[whyPaused(this.#roost, pausedReason)] ?? "";
  }

  #screenStream() {
    const { screen } = this.#roost.local;
    if (this.screenStream?.getVideoTracks()[0] !== screen) this.screenStream = new MediaStream([screen]);
    return this.screenStream;
  }

  #hear() {
    for (const { sound } of this.#tiles.values()) if (sound?.blocked) sound.hear();
  }

  /** Sound goes to the chosen speaker, where the browser lets a page choose. */
  applySpeaker() {
    for (const { sound } of this.#tiles.values()) sound?.useSpeaker(this.#roost.local.chosen.audiooutput);
  }

  #levels() {
    for (const { member, level, media } of this.#roost.members) {
      this.#tiles.get(member)?.element.classList.toggle("speaking", media.audio && level > SPEAKING);
    }
  }

  // ---- controls

  #renderControls(call, local) {
    const { audio, video, screen } = local;
    const control = (id, name, label, shortText, key, off) => {
      const element = byId(id);
      setIcon(element, name);
      setLabel(element, label, key);
      element.classList.toggle("off", off);
      let text = element.querySelector(".control-text");
      if (!text) element.append((text = make("span", { className: "control-text", "aria-hidden": "true" })));
      setText(text, shortText);
    };
    const micOn = audio.state === "on";
    const cameraOn = video.state === "on";
    control("control-mic", micOn ? "mic" : "micOff", micOn ? words.call.micOff : words.call.micOn, words.call.micShort, "M", !micOn);
    control("control-camera", cameraOn ? "camera" : "cameraOff", cameraOn ? words.call.cameraOff : words.call.cameraOn, words.call.cameraShort, "V", !cameraOn);
    control("control-screen", "screen", screen ? words.call.screenOff : words.call.screenOn, words.call.screenShort, "S", false);
    byId("control-screen").classList.toggle("on", screen !== null);
    show(byId("control-screen"), Boolean(navigator.mediaDevices?.getDisplayMedia));
    control("control-devices", "settings", words.call.devices, words.call.devicesShort, "D", false);
    control("control-add", "add", words.add.title, words.add.short, "P", false);
    show(byId("control-add"), call.state === "connected" || (call.state === "connecting" && this.#roost.members.length > 0));
    control("control-panel", "chart", words.call.details, words.call.detailsShort, "I", false);
    const calling = call.state === "calling";
    control("hang-up", "hangup", calling ? words.call.cancel : words.call.hangUp, calling ? words.call.cancelShort : words.call.hangUpShort, "H", false);
  }

  #clear() {
    this.#since = null;
    for (const tile of this.#tiles.values()) this.#close(tile);
    this.#tiles.clear();
  }

  #close(tile) {
    tile.picture.close();
    tile.sound?.close();
    tile.element.remove();
  }
}
