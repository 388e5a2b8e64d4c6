/** All tiles of the room: who is shown, where, how large; and what the node is told of it. */

import { byId, make, setText, show } from "../dom.js";
import { whyPaused, words } from "../words.js";
import { focusOf, gridOf } from "../layout.js";
import { Tile } from "./tile.js";

/** A voice must last so long before it takes the large place: a cough should not. */
const SPEAKER_HOLD_MS = 1_500;

export class Grid {
  /** "grid" | "speaker" */
  view = "grid";
  pinned = null;

  #roost;
  #changed;
  #tiles = new Map();
  #screens = new Map();
  #speaker = { member: null, since: 0 };
  #alone;
  #copy;
  #more;

  constructor(roost, { copy, changed }) {
    this.#roost = roost;
    this.#changed = changed;
    this.#copy = make("button", { type: "button", className: "control", text: words.room.copy });
    this.#copy.addEventListener("click", () => copy(this.#copy));
    this.#alone = make("div", { className: "room-alone", role: "status", "data-testid": "alone", hidden: true }, make("span"), this.#copy);
    this.#more = make("p", { className: "room-more", hidden: true });
    byId("tiles").append(this.#alone, this.#more);
    new ResizeObserver(() => this.#arrange()).observe(byId("tiles"));
    document.addEventListener("visibilitychange", () => this.#arrange());
    roost.addEventListener("levels", () => this.#levels());
    roost.addEventListener("reaction", ({ detail }) => this.#tiles.get(`${detail.from}/camera`)?.react(detail.emoji));
    for (const touch of ["pointerdown", "keydown"]) addEventListener(touch, () => this.hear(), { capture: true, passive: true });
  }

  get isBlocked() {
    return [...this.#tiles.values()].some(({ sound }) => sound?.blocked);
  }

  hear() {
    for (const { sound } of this.#tiles.values()) if (sound?.blocked) sound.hear();
  }

  applySpeaker() {
    for (const tile of this.#tiles.values()) tile.useSpeaker(this.#roost.local.chosen.audiooutput);
  }

  toggleView() {
    this.view = this.view === "grid" ? "speaker" : "grid";
    this.pinned = null;
    this.render();
  }

  render() {
    const shown = this.#people();
    const wanted = new Set(shown.map((each) => each.key));
    for (const [key, tile] of this.#tiles) {
      if (wanted.has(key)) continue;
      tile.close();
      this.#tiles.delete(key);
    }
    for (const member of this.#screens.keys()) if (!wanted.has(`${member}/screen`)) this.#screens.delete(member);
    if (this.pinned && !wanted.has(this.pinned)) this.pinned = null;
    const { chosen } = this.#roost.local;
    for (const each of shown) {
      let tile = this.#tiles.get(each.key);
      if (!tile) {
        tile = new Tile(each, { pin: (key) => this.#pin(key), changed: this.#changed });
        this.#tiles.set(each.key, tile);
        byId("tiles").append(tile.element);
      }
      tile.update({ ...each, speaker: chosen.audiooutput }, this.pinned === each.key);
    }
    const isLocked = Boolean(this.#roost.room?.locked);
    setText(this.#alone.firstElementChild, isLocked ? words.room.aloneLocked : words.room.alone);
    show(this.#copy, !isLocked);
    show(this.#alone, this.#roost.entered?.state === "in" && this.#roost.members.length === 0);
    this.#arrange();
  }

  clear() {
    for (const tile of this.#tiles.values()) tile.close();
    this.#tiles.clear();
    this.#screens.clear();
    this.pinned = null;
    this.#speaker = { member: null, since: 0 };
  }

  /** Shared screens first, then people as they came, oneself last. */
  #people() {
    const { members, local } = this.#roost;
    const { room } = words;
    const screens = [];
    const people = [];
    for (const each of [...members].sort((a, b) => a.joined - b.joined)) {
      const realName = each.name;
      // Straight there is one picture: a shared screen takes the camera's place.
      const isReplaced = each.straight && each.media.screen;
      people.push({ ...each, key: `${each.member}/camera`, source: "camera", realName, seen: Boolean(each.media.video && each.stream) && !isReplaced, micOff: !each.media.audio, pausedReason: whyPaused(this.#roost, each.pausedReason) });
      const screen = isReplaced ? this.#screen(each.member, each.stream?.getVideoTracks()[0]) : each.screenStream;
      if (!each.media.screen || !screen) continue;
      screens.push({ ...each, key: `${each.member}/screen`, source: "screen", realName, name: room.screenOf(each.name), stream: screen, seen: true, micOff: false, paused: each.screenPaused, pausedReason: whyPaused(this.#roost, each.screenPausedReason) });
    }
    const self = { member: "self", self: true, realName: this.#roost.name ?? "", state: "connected" };
    people.push({ ...self, key: "self/camera", source: "camera", name: words.you, stream: local.stream, seen: local.flags.video && !(local.screen && members.some((each) => each.straight)), micOff: local.audio.state !== "on", hand: this.#roost.hands.has("self") });
    if (local.screen) {
      people.push({ ...self, key: "self/screen", source: "screen", name: room.yourScreen, stream: this.#screen("self", local.screen), seen: true, micOff: false });
    }
    return [...screens, ...people];
  }

  /** A stream of nothing but this track, the same one each time: what sounds with it is heard from the person's own tile. */
  #screen(member, track) {
    if (!track) return null;
    if (this.#screens.get(member)?.getTracks()[0] !== track) this.#screens.set(member, new MediaStream([track]));
    return this.#screens.get(member);
  }

  #pin(key) {
    this.pinned = this.pinned === key ? null : key;
    this.render();
  }

  /** What has the large place: what was pinned, else a shared screen, else who speaks if that is wanted. */
  #focus(keys) {
    if (this.pinned) return this.pinned;
    const screen = keys.find((key) => key.endsWith("/screen") && key !== "self/screen");
    if (screen) return screen;
    if (this.view !== "speaker") return null;
    const speaker = `${this.#speaker.member}/camera`;
    return keys.includes(speaker) ? speaker : (keys.find((key) => !key.startsWith("self/")) ?? keys[0]);
  }

  #arrange() {
    const area = byId("tiles");
    const size = { width: area.clientWidth, height: area.clientHeight };
    if (size.width === 0 || this.#tiles.size === 0) return this.#tell([]);
    const order = this.#people().map((each) => each.key).filter((key) => this.#tiles.has(key));
    const focus = this.#focus(order);
    const keys = focus ? [focus, ...order.filter((key) => key !== focus)] : order;
    const boxes = focus ? focusOf(keys.length, size) : gridOf(keys.length, size);
    const seen = [];
    keys.forEach((key, at) => {
      const tile = this.#tiles.get(key);
      const box = boxes[at];
      show(tile.element, Boolean(box));
      if (!box) return;
      tile.place(box);
      if (!tile.self) seen.push({ tile, box });
    });
    const left = keys.length - boxes.length;
    show(this.#more, left > 0);
    setText(this.#more, words.room.more(left));
    return this.#tell(document.hidden && !document.pictureInPictureElement ? [] : seen);
  }

  #tell(seen) {
    const ratio = devicePixelRatio || 1;
    const first = ({ tile }) => (tile.source === "screen" ? 0 : tile.member === this.#speaker.member ? 1 : 2);
    const tiles = seen
      .toSorted((a, b) => b.box.w * b.box.h - a.box.w * a.box.h || first(a) - first(b))
      .map(({ tile, box }) => ({ member: tile.member, source: tile.source, width: Math.round(box.w * ratio), height: Math.round(box.h * ratio) }));
    this.#roost.view(tiles);
  }

  #levels() {
    const { members, dominant } = this.#roost;
    let loudest = null;
    for (const each of members) {
      this.#tiles.get(`${each.member}/camera`)?.showLevel(each.level, !each.media.audio);
      if (each.media.audio && each.level > (loudest?.level ?? 0.02)) loudest = each;
    }
    const member = dominant ?? loudest?.member ?? null;
    const now = performance.now();
    if (!member || member === this.#speaker.member || now - this.#speaker.since < SPEAKER_HOLD_MS) return;
    this.#speaker = { member, since: now };
    this.#arrange();
  }
}
