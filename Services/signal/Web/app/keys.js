/** Single keys that act: the list of them, and the switch that turns them off (WCAG 2.1.4: speech input types them by accident). */

import { byId, make } from "./dom.js";

const STORED = "roost.single-keys";

export class Keys {
  #isOn = true;

  /** `list` holds pairs of a key and what it does. */
  constructor(list) {
    try {
      this.#isOn = localStorage.getItem(STORED) !== "off";
    } catch {
      // Storage is forbidden here: on until switched off, each time.
    }
    byId("help-keys").replaceChildren(...list.flatMap(([key, meaning]) => [make("dt", {}, make("kbd", { text: key })), make("dd", { text: meaning })]));
    byId("open-help").addEventListener("click", () => {
      byId("single-keys").checked = this.#isOn;
      byId("help").showModal();
    });
    byId("single-keys").addEventListener("change", (event) => this.#switch(event.target.checked));
  }

  get areOn() {
    return this.#isOn;
  }

  #switch(isOn) {
    this.#isOn = isOn;
    try {
      localStorage.setItem(STORED, isOn ? "on" : "off");
    } catch {
      // As above.
    }
  }
}
