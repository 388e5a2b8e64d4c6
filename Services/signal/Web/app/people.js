/** The lobby: who is here, how the last call ended, and a look at oneself before calling. */

import { avatar, byId, icon, make, setIcon, setLabel, setText, show } from "./dom.js";
import { Meter } from "./meter.js";
import { endedText, mediaText, missedText, words } from "./words.js";

/** From this many people on, searching is quicker than looking. */
const SEARCH_FROM = 8;

export class Lobby {
  #roost;
  #rows = new Map();
  #outcome = null;
  #checking = false;
  #meter = null;

  constructor(roost) {
    this.#roost = roost;
    byId("search").addEventListener("input", () => this.render());
    byId("copy").addEventListener("click", () => this.#copy());
    byId("check").addEventListener("click", () => this.#check(!this.#checking));
    byId("missed-close").addEventListener("click", () => {
      roost.forgetMissed();
      byId("people-title").focus({ preventScroll: true });
    });
    byId("outcome-close").addEventListener("click", () => this.setOutcome(null));
    byId("call-again").addEventListener("click", () => {
      const { peer, video } = this.#outcome;
      this.call(peer.person ?? peer.name, video);
    });
    setText(byId("address"), location.origin);
  }

  call(who, video) {
    this.stopChecking({ keepOpen: true });
    this.setOutcome(null);
    // How it ends, well or not, is told by the "ended" event.
    this.#roost.call(who, { video }).catch(() => {});
  }

  /** Says how a call ended, with a way to call again where that makes sense. */
  setOutcome(detail) {
    this.#outcome = detail;
    show(byId("outcome"), detail !== null);
    if (!detail) return;
    setText(byId("outcome-text"), endedText(detail));
    setIcon(byId("outcome-icon"), detail.seconds === null ? "info" : "phone");
    show(byId("call-again"), !["self", "busy-self", "answered-elsewhere", "declined-elsewhere"].includes(detail.reason));
  }

  render() {
    const { people, morePeople } = this.#roost;
    const query = byId("search").value.trim().toLocaleLowerCase();
    const shown = query ? people.filter((each) => each.name.toLocaleLowerCase().includes(query)) : people;
    setText(byId("people-count"), people.length > 0 ? words.people.count(people.length + morePeople) : "");
    show(byId("search-box"), people.length >= SEARCH_FROM || query !== "");
    show(byId("nobody"), people.length === 0);
    show(byId("no-match"), people.length > 0 && shown.length === 0);
    show(byId("more"), morePeople > 0);
    setText(byId("more"), words.people.more(morePeople));
    this.#renderMissed(this.#roost.missed);
    this.#renderRows(shown);
    this.#renderCheck();
  }

  /** Who called in vain, the latest first. Lines stay as they are while shown: only a new one is read out. */
  #renderMissed(missed) {
    const list = byId("missed-calls");
    show(byId("missed"), missed.length > 0);
    const wanted = new Set(missed.map((each) => each.room));
    for (const line of [...list.children]) if (!wanted.has(line.dataset.room)) line.remove();
    const known = new Set([...list.children].map((line) => line.dataset.room));
    for (const each of missed.filter(({ room }) => !known.has(room)).reverse()) list.prepend(this.#missedLine(each));
  }

  #missedLine(missed) {
    const back = make("button", { type: "button", className: "call-button", "data-testid": "call-back" }, icon(missed.video ? "camera" : "phone"));
    setLabel(back, words.missed.back(missed.name));
    back.addEventListener("click", () => {
      this.#roost.forgetMissed({ room: missed.room });
      this.call(missed.person ?? missed.name, missed.video);
    });
    return make(
      "li",
      { "data-testid": "missed-call", "data-room": missed.room },
      icon("missed"),
      make("p", {}, make("bdi", { text: missedText(missed) })),
      back,
    );
  }

  /** Rows are kept for as long as their person is shown, so that focus and screen readers stay where they are. */
  #renderRows(shown) {
    const list = byId("people");
    const wanted = new Set(shown.map((each) => each.person));
    for (const [person, row] of this.#rows) {
      if (wanted.has(person)) continue;
      row.element.remove();
      this.#rows.delete(person);
    }
    let previous = null;
    for (const each of shown) {
      let row = this.#rows.get(each.person);
      if (!row || row.name !== each.name) {
        row?.element.remove();
        row = this.#row(each);
        this.#rows.set(each.person, row);
      }
      setText(row.status, each.busy ? words.people.busy : words.people.free);
      row.element.classList.toggle("busy", Boolean(each.busy));
      const place = previous ? previous.nextSibling : list.firstChild;
      if (place !== row.element) list.insertBefore(row.element, place);
      previous = row.element;
    }
    show(list, shown.length > 0);
  }

  #row({ person, name }) {
    const status = make("span", { className: "person-status", "data-testid": "person-status" });
    const button = (kind, label, video) => {
      const element = make("button", { type: "button", className: "call-button", "data-testid": `call-${kind}` }, icon(video ? "camera" : "phone"));
      setLabel(element, label);
      element.addEventListener("click", () => this.call(person, video));
      return element;
    };
    const element = make(
      "li",
      { className: "person", "data-testid": "person", "data-person": person, "data-name": name },
      avatar(name),
      make("span", { className: "person-words" }, make("bdi", { className: "person-name", text: name }), status),
      make("span", { className: "person-buttons" }, button("voice", words.people.voice(name), false), button("video", words.people.video(name), true)),
    );
    return { element, status, name };
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(location.origin);
    } catch {
      getSelection().selectAllChildren(byId("address"));
      return;
    }
    setText(byId("copy"), words.people.copied);
    setTimeout(() => setText(byId("copy"), words.people.copy), 2_000);
  }

  // ---- looking at oneself

  async #check(on) {
    if (!on) return this.stopChecking();
    this.#checking = true;
    this.render();
    await this.#roost.local.open({ audio: true, video: true });
    if (this.#checking) this.#measure();
    return this.render();
  }

  /** A call that begins takes over what is open: it must not wait for the camera twice. */
  stopChecking({ keepOpen = false } = {}) {
    if (!this.#checking) return;
    this.#checking = false;
    this.#meter?.stop();
    this.#meter = null;
    byId("preview-video").srcObject = null;
    if (!keepOpen && !this.#roost.currentCall) this.#roost.local.close();
    this.render();
  }

  #measure() {
    const { track } = this.#roost.local.audio;
    if (track && !this.#meter) this.#meter = new Meter(track, byId("preview-meter"));
  }

  #renderCheck() {
    const { local } = this.#roost;
    const opening = local.audio.state === "opening" || local.video.state === "opening";
    show(byId("preview"), this.#checking);
    show(byId("preview-meter-row"), this.#checking && local.audio.track !== null);
    show(byId("check-hint"), !this.#checking);
    const video = byId("preview-video");
    const stream = this.#checking && local.video.track ? local.stream : null;
    if (video.srcObject !== stream) video.srcObject = stream;
    show(video, stream !== null);
    setText(byId("preview-empty"), stream ? "" : opening ? "" : words.check.noPicture);
    const result = !this.#checking ? "" : opening ? words.check.opening : (mediaText(local) ?? words.check.good);
    setText(byId("check-result"), result);
    setText(byId("check"), this.#checking ? words.check.stop : words.check.start);
  }
}
