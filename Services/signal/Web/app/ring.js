/** Somebody calls, or it rings there: the dialog, the sound and the title of the tab. */

import { avatar, byId, setText } from "./dom.js";
import { ringIn, ringOut, stopRinging } from "./sounds.js";
import { words } from "./words.js";

export class Ring {
  #roost;
  #sounding = null;
  #titleTimer = null;
  #focusBefore = null;

  constructor(roost) {
    this.#roost = roost;
    const accept = (video) => roost.accept({ video }).catch(() => {});
    byId("accept-video").addEventListener("click", () => accept(true));
    byId("accept-voice").addEventListener("click", () => accept(false));
    byId("decline").addEventListener("click", () => roost.decline());
    byId("ring").addEventListener("cancel", (event) => {
      event.preventDefault();
      roost.decline();
    });
  }

  render() {
    const call = this.#roost.currentCall;
    const ringing = call?.state === "ringing";
    const dialog = byId("ring");
    if (ringing) {
      setText(byId("ring-title"), words.ring.title(call.peer.name));
      setText(byId("ring-kind"), call.video ? words.ring.video : words.ring.voice);
    }
    if (ringing && !dialog.open) {
      this.#focusBefore = document.activeElement;
      byId("ring-avatar").replaceChildren(avatar(call.peer.name));
      dialog.classList.toggle("voice", !call.video);
      for (const other of document.querySelectorAll("dialog[open]")) other.close();
      dialog.showModal();
      // What a voice call asks for first is a voice answer.
      byId(call.video ? "accept-video" : "accept-voice").focus();
    } else if (!ringing && dialog.open) {
      dialog.close();
      if (!call) this.#focusBefore?.focus?.();
    }
    this.#sound(ringing ? "in" : call?.state === "calling" && this.#roost.room ? "out" : null);
    this.#title(call);
  }

  #sound(wanted) {
    if (wanted === this.#sounding) return;
    this.#sounding = wanted;
    if (wanted === "in") ringIn();
    else if (wanted === "out") ringOut();
    else stopRinging();
    // For tests and for styles: what a person would hear.
    if (wanted) document.body.dataset.ringing = wanted;
    else delete document.body.dataset.ringing;
  }

  #title(call) {
    clearInterval(this.#titleTimer);
    const set = (text) => (document.title = text ? `${text} · Roost` : "Roost");
    if (!call) return set(this.#roost.state === "signed-in" ? words.title.people : "");
    if (call.state !== "ringing") return set(words.title[call.state === "calling" ? "calling" : "call"](call.peer.name));
    const text = words.title.ringing(call.peer.name);
    let marked = true;
    const blink = () => {
      set(marked ? `● ${text}` : text);
      marked = !marked;
    };
    blink();
    this.#titleTimer = setInterval(blink, 1_000);
    return undefined;
  }
}
