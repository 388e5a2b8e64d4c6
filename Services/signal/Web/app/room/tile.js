/** One picture in the room: a person's camera, or the screen that somebody shares. */

import { avatar, icon, make, setIcon, setLabel, setText, show } from "../dom.js";
import { Player, Sound } from "../player.js";
import { percent, words } from "../words.js";

/** How long the tools stay after a finger touched the tile. */
const TOUCHED_MS = 4_000;
/** Louder than a quiet room, softer than a soft voice. */
const SPEAKING = 0.01;
const WEAK_LOSS = 0.05;
const REACTION_MS = 3_200;

export class Tile {
  constructor({ key, member, self, source, name, realName }, { pin, changed }) {
    Object.assign(this, { key, member, self, source });
    const { room } = words;
    const video = make("video", { autoplay: true, playsInline: true, muted: true, className: "tile-video", "aria-hidden": "true", tabIndex: -1 });
    video.muted = true;
    const audio = self ? null : make("audio", { autoplay: true });
    this.picture = new Player(video);
    this.sound = audio && new Sound(audio, changed);
    const mark = (className, name_, label) => make("span", { className, role: "img", "aria-label": label, title: label, hidden: true }, icon(name_));
    this.label = make("bdi", { className: "tile-name", text: name });
    this.off = mark("tile-off", "micOff", words.call.muted);
    this.hand = mark("tile-hand", "hand", room.hand);
    this.weak = mark("tile-weak", "weak", room.mark.lost);
    this.note = make("span", { className: "tile-note", hidden: true });
    this.pinButton = make("button", { type: "button", className: "plain", "data-testid": "pin" });
    setIcon(this.pinButton, "pin");
    this.pinButton.addEventListener("click", () => pin(key));
    const full = make("button", { type: "button", className: "plain", "data-testid": "full-screen" });
    setIcon(full, "full");
    setLabel(full, room.fullScreen(name));
    full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : this.element.requestFullscreen?.())?.catch?.(() => {}));
    this.small = make("button", { type: "button", className: "plain", "data-testid": "picture-in-picture" });
    setIcon(this.small, "pip");
    setLabel(this.small, room.pictureInPicture(name));
    this.small.addEventListener("click", () => (document.pictureInPictureElement === this.picture.element ? document.exitPictureInPicture() : this.picture.element.requestPictureInPicture()).catch(() => {}));
    this.element = make(
      "div",
      { className: self ? "tile tile-self" : "tile", role: "group", "data-testid": self ? "tile-self" : "tile", "data-member": member, "data-source": source, "aria-label": name },
      make("span", { className: "tile-face" }, avatar(realName)),
      video,
      ...(audio ? [audio] : []),
      this.note,
      make("span", { className: "tile-tools" }, this.pinButton, this.small, full),
      make("span", { className: "tile-foot" }, this.off, this.hand, this.weak, this.label),
    );
    if (document.fullscreenEnabled !== true) full.hidden = true;
    let byFinger = false;
    const { classList } = this.element;
    const hovers = (event) => event.pointerType !== "touch";
    this.element.addEventListener("pointerenter", (event) => hovers(event) && this.#point(true));
    this.element.addEventListener("pointerleave", (event) => hovers(event) && this.#point(false));
    this.element.addEventListener("pointerdown", (event) => (byFinger = !hovers(event)));
    this.element.addEventListener("click", ({ target }) => byFinger && this.#point(!target.closest(".tile-tools") && !classList.contains("pointed"), TOUCHED_MS));
  }

  /** Shows the tools while a pointer is there. A finger shows them for a while; its second touch, or using one of them, hides them again. */
  #point(isThere, ms = null) {
    clearTimeout(this.pointTimer);
    this.element.classList.toggle("pointed", isThere);
    if (isThere && ms) this.pointTimer = setTimeout(() => this.#point(false), ms);
  }

  update({ name, stream, seen, micOff, hand, state, away, paused, pausedReason, statistics, speaker }, pinned) {
    const { room } = words;
    const { element, picture, sound, source, self } = this;
    picture.play(stream, { atOnce: Boolean(self) });
    this.useSpeaker(speaker);
    sound?.listen(stream);
    element.classList.toggle("has-picture", seen && !paused);
    element.classList.toggle("shares-screen", source === "screen");
    element.classList.toggle("mirror", Boolean(self && source === "camera"));
    setText(this.label, name);
    if (element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
    show(this.off, source === "camera" && micOff);
    show(this.hand, source === "camera" && hand);
    setLabel(this.pinButton, pinned ? room.unpin(name) : room.pin(name));
    this.pinButton.classList.toggle("on", pinned);
    show(this.small, document.pictureInPictureEnabled === true && seen);
    const trouble = self ? "" : state === "reconnecting" ? room.mark.lost : paused && pausedReason !== "hidden" ? (room.mark[`paused-${pausedReason}`] ?? room.mark["paused-bandwidth"]) : state !== "connected" ? room.mark.connecting : "";
    setText(this.note, trouble);
    this.note.dataset.short = paused && state === "connected" ? room.mark.pausedShort : "…";
    show(this.note, trouble !== "");
    const loss = Math.max(statistics?.audio?.loss ?? 0, statistics?.video?.loss ?? 0);
    const weak = self ? "" : away ? room.mark.away : loss > WEAK_LOSS ? room.mark.loss(percent(loss)) : "";
    show(this.weak, weak !== "");
    if (weak) {
      this.weak.setAttribute("aria-label", weak);
      this.weak.title = weak;
    }
  }

  place({ x, y, w, h }) {
    const { style } = this.element;
    for (const [name, value] of [["--x", x], ["--y", y], ["--w", w], ["--h", h]]) style.setProperty(name, `${Math.round(value)}px`);
    style.setProperty("--face", String(Math.round(Math.max(Math.min(w, h) * 0.36, 28))));
    this.element.classList.toggle("small", w < 260);
  }

  showLevel(level, micOff) {
    this.element.classList.toggle("speaking", this.source === "camera" && !micOff && level > SPEAKING);
  }

  react(emoji) {
    const element = make("span", { className: "tile-reaction", text: emoji, "aria-hidden": "true" });
    this.element.append(element);
    setTimeout(() => element.remove(), REACTION_MS);
  }

  useSpeaker(id) {
    this.sound?.useSpeaker(id);
  }

  close() {
    this.picture.close();
    this.sound?.close();
    this.element.remove();
  }
}
