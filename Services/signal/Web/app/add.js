/** Adding a person to the call that goes on: who is here and not in it, each with a button that rings them. */

import { avatar, byId, icon, make, setText, show } from "./dom.js";
import { words } from "./words.js";

export class Adding {
  #roost;
  #dialog = byId("add");
  #problem = "";

  constructor(roost) {
    this.#roost = roost;
  }

  open() {
    this.#problem = "";
    this.render();
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  render() {
    if (this.#roost.currentCall === null) return void this.#dialog.close();
    const inside = new Set([...this.#roost.members, ...this.#roost.invited].map((each) => each.person));
    const outside = this.#roost.people.filter((each) => !inside.has(each.person));
    const list = byId("add-people");
    const wanted = new Set(outside.map((each) => each.person));
    for (const row of [...list.children]) if (!wanted.has(row.dataset.person)) row.remove();
    const known = new Map([...list.children].map((row) => [row.dataset.person, row]));
    // A row stays where it is: one that moved would lose the focus.
    for (const [at, each] of outside.entries()) {
      const row = known.get(each.person) ?? this.#row(each);
      setText(row.querySelector(".person-status"), each.busy ? words.people.busy : words.people.free);
      row.classList.toggle("busy", Boolean(each.busy));
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    }
    show(byId("add-nobody"), outside.length === 0);
    setText(byId("add-problem"), this.#problem);
  }

  #row({ person, name }) {
    const button = make("button", { type: "button", className: "quiet", "aria-label": words.add.person(name), "data-testid": "add-person" }, icon("add"), make("span", { text: words.add.button }));
    button.addEventListener("click", () => this.#add(person, name));
    return make(
      "li",
      { className: "person", "data-person": person },
      avatar(name),
      make("span", { className: "person-words" }, make("bdi", { className: "person-name", text: name }), make("span", { className: "person-status" })),
      button,
    );
  }

  /** It rings, and the dialog is out of the way; or it says why not. */
  async #add(person, name) {
    try {
      await this.#roost.add(person);
      this.#dialog.close();
    } catch (error) {
      const text = words.ended.out[error.code];
      this.#problem = text ? text(name) : words.add.failed(name);
      this.render();
    }
  }
}
