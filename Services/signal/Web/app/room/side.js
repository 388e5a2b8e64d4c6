/** What stands beside the tiles, one at a time: people, chat, details. */

import { avatar, byId, icon, make, setIcon, setLabel, setText, show } from "../dom.js";
import { words } from "../words.js";
import { RoomPanel } from "./panel.js";

const SIDES = ["people", "chat", "panel"];
/** Of the tab: "TIME ROOM" of the last line that was read. */
const READ_KEY = "roost.read";

export class Side {
  open = null;

  #roost;
  #panel;
  #toast;
  #read = 0;
  #lines = 0;
  /** When the last line was said that was read before a reload. */
  #readAt = 0;
  #chat = null;
  #said = new Map();
  #sure = null;
  #people = "";

  constructor(roost, { toast, copy }) {
    this.#roost = roost;
    this.#toast = toast;
    this.#panel = new RoomPanel(roost);
    for (const name of SIDES) {
      byId(`tool-${name}`).addEventListener("click", () => this.toggle(name));
      byId(`side-${name}`).querySelector("[data-close]").addEventListener("click", () => this.toggle(name));
    }
    byId("chat-form").addEventListener("submit", (event) => {
      event.preventDefault();
      roost.say(byId("chat-text").value);
      byId("chat-text").value = "";
    });
    byId("people-copy").append(make("span", { text: words.room.copy }));
    byId("people-copy").addEventListener("click", () => copy(byId("people-copy").querySelector("span")));
    byId("lock").addEventListener("click", () => this.#moderate(roost.room?.locked ? "unlock" : "lock"));
    roost.addEventListener("statistics", () => this.open === "panel" && this.#panel.render());
  }

  toggle(name) {
    const opens = this.open !== name;
    const before = this.open;
    this.open = opens ? name : null;
    this.render();
    if (opens && name === "chat") byId("chat-text").focus();
    else if (opens) byId(`side-${name}`).querySelector("[data-close]").focus();
    else if (before) byId(`tool-${before}`).focus();
  }

  render() {
    for (const name of SIDES) {
      show(byId(`side-${name}`), this.open === name);
      byId(`tool-${name}`).setAttribute("aria-expanded", String(this.open === name));
    }
    this.#renderPeople();
    this.#renderChat();
    if (this.open === "panel") this.#panel.render();
  }

  clear() {
    this.open = null;
    this.#read = this.#lines = 0;
    this.#chat = null;
    this.#said.clear();
    byId("chat-lines").replaceChildren();
  }

  // ---- people

  #renderPeople() {
    const { members, me, local, hands, room, name } = this.#roost;
    const text = words.room;
    setText(byId("people-title"), text.members(members.length + 1));
    const isHost = me?.role === "host";
    show(byId("lock"), isHost);
    if (isHost) {
      setIcon(byId("lock"), room?.locked ? "unlock" : "lock");
      let label = byId("lock").querySelector("span");
      if (!label) byId("lock").append((label = make("span")));
      setText(label, room?.locked ? text.moderate.unlock : text.moderate.lock);
    }
    show(byId("lock-note"), Boolean(room?.locked));
    setText(byId("lock-note"), text.moderate.locked);
    const list = [
      { member: "self", name: `${name} (${words.you})`, realName: name ?? "", role: me?.role, audio: local.audio.state === "on", hand: hands.has("self") },
      ...members.map((each) => ({ member: each.member, name: each.name, realName: each.name, role: each.role, audio: each.media.audio, hand: each.hand })),
    ];
    // Rows are made anew only when something in them changed, so that the keyboard stays where it is.
    const shape = JSON.stringify([list, isHost, this.#sure]);
    if (shape === this.#people) return;
    this.#people = shape;
    const focused = byId("people").contains(document.activeElement) ? document.activeElement : null;
    const at = [...byId("people").children].findIndex((row) => row.contains(focused));
    byId("people").replaceChildren(...list.map((each) => this.#row(each, isHost)));
    if (focused) this.#refocus(focused.dataset.act, at);
  }

  /** The button pressed may be gone by that (nobody is muted twice): the keyboard goes on at what is nearest. */
  #refocus(act, at) {
    const list = byId("people");
    const row = list.children[Math.min(at, list.childElementCount - 1)];
    const nearest = list.querySelector(`[data-act="${CSS.escape(act)}"]`) ?? row?.querySelector("button") ?? byId("side-people").querySelector("[data-close]");
    nearest.focus();
  }

  #row({ member, name, realName, role, audio, hand }, isHost) {
    const text = words.room;
    const mark = (name_, label) => make("span", { className: name_ === "hand" ? "tile-hand" : "tile-off", role: "img", "aria-label": label, title: label }, icon(name_));
    const act = (name_, label, action, run) => {
      const button = make("button", { type: "button", className: "plain", "data-testid": action, "data-act": `${action} ${member}` }, icon(name_));
      setLabel(button, label);
      button.addEventListener("click", run);
      return button;
    };
    const buttons = [];
    if (isHost && member !== "self") {
      if (role === "listener") buttons.push(act("mic", text.moderate.speak(name), "speak", () => this.#moderate("speak", member)));
      else if (role === "speaker") buttons.push(act("listen", text.moderate.listen(name), "listen", () => this.#moderate("listen", member)));
      if (audio) buttons.push(act("mic", text.moderate.mute(name), "mute", () => this.#moderate("mute", member)));
      if (this.#sure === member) {
        const sure = make("button", { type: "button", className: "plain sure", text: text.moderate.sure(name), "data-testid": "remove-sure", "data-act": `remove ${member}` });
        sure.addEventListener("click", () => this.#moderate("remove", member));
        buttons.push(sure);
      } else {
        buttons.push(act("close", text.moderate.remove(name), "remove", () => this.#ask(member)));
      }
    }
    return make(
      "li",
      { "data-testid": "room-person", "data-member": member },
      avatar(realName),
      make("span", { className: "person-words" }, make("bdi", { className: "person-name", text: name }), role === "host" || role === "listener" ? make("span", { className: "role", text: text[role] }) : null),
      hand ? mark("hand", text.hand) : null,
      audio ? null : mark("micOff", words.call.muted),
      ...buttons,
    );
  }

  #ask(member) {
    this.#sure = member;
    this.#renderPeople();
    setTimeout(() => {
      if (this.#sure !== member) return;
      this.#sure = null;
      this.#renderPeople();
    }, 5_000);
  }

  #moderate(action, member = null) {
    this.#sure = null;
    this.#roost.moderate(action, member).catch((error) => this.#toast(error.code === "not-allowed" ? words.room.moderate.refused : words.room.notice["not-sent"]));
  }

  // ---- chat

  #renderChat() {
    const { chat } = this.#roost;
    const box = byId("chat-lines");
    if (chat !== this.#chat) {
      if (this.#chat === null) this.#readAt = this.#readBefore();
      this.#chat = chat;
      const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
      this.#placeLines(box, chat);
      if (atEnd) box.scrollTop = box.scrollHeight;
    }
    if (this.open === "chat") {
      this.#read = this.#lines;
      if (chat.length > 0) this.#remember(`${chat.at(-1).at} ${this.#roost.entered?.room}`);
    }
    const unread = this.#lines - this.#read;
    const tool = byId("tool-chat");
    let badge = tool.querySelector(".badge");
    if (!badge) tool.append((badge = make("span", { className: "badge", "aria-hidden": "true", hidden: true })));
    show(badge, unread > 0);
    setText(badge, unread > 99 ? "99+" : String(unread));
    setLabel(tool, unread > 0 ? words.room.unread(unread) : words.room.chat, "C");
  }

  #remember(read) {
    try {
      sessionStorage.setItem(READ_KEY, read);
    } catch {
      // Storage is forbidden here: after a reload all counts as new.
    }
  }

  #readBefore() {
    try {
      const [at, room] = (sessionStorage.getItem(READ_KEY) ?? "").split(" ");
      return room === this.#roost.entered?.room ? Number(at) || 0 : 0;
    } catch {
      return 0;
    }
  }

  /** Lines stay where they are: only new ones are read out. What was missed may belong between them. */
  #placeLines(box, chat) {
    const kept = new Set(chat);
    for (const line of this.#said.keys()) if (!kept.has(line)) this.#said.delete(line);
    const elements = new Set(this.#said.values());
    for (const element of [...box.children]) if (!elements.has(element)) element.remove();
    let place = box.firstElementChild;
    for (const line of chat) {
      const known = this.#said.get(line);
      if (known && known === place) {
        place = place.nextElementSibling;
        continue;
      }
      const element = known ?? this.#line(line);
      this.#said.set(line, element);
      box.insertBefore(element, place);
      if (!known && line.from !== this.#roost.me?.member && line.at > this.#readAt) this.#lines++;
    }
    if (chat.length === 0) box.append(make("p", { className: "hint", text: words.room.nothingSaid }));
  }

  #line({ at, name, text, unsent }) {
    const time = new Date(at).toLocaleTimeString(words.lang, { hour: "numeric", minute: "2-digit" });
    return make(
      "div",
      { className: "chat-line", "data-testid": "chat-line" },
      make("p", { className: "who" }, make("bdi", { text: name }), make("time", { text: time })),
      make("p", { className: "what", dir: "auto", text }),
      ...(unsent ? [make("p", { className: "hint", text: words.room.notice["not-sent"] })] : []),
    );
  }
}
