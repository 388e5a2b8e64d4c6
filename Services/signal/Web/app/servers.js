/** The list of servers to try: this Roost's own with fresh credentials, and what a person added or took away. */

import { byId, icon, make, setLabel, show } from "./dom.js";

const KEY = "roost.diagnostics";
/** As many as diagnose.js tries. */
const LIMIT = 24;

const TONE = { works: "good", "same-address": "good", trying: "info", aborted: "info" };

export class ServerList {
  #texts;
  #onProblem;
  /** `{url, username, credential, own}`, in the order shown. */
  #servers = [];
  #states = new Map();
  #notes = new Map();

  constructor(texts, onProblem) {
    this.#texts = texts;
    this.#onProblem = onProblem;
  }

  get iceServers() {
    return this.#servers.map(({ url, username, credential }) => ({ urls: url, ...(username ? { username, credential } : {}) }));
  }

  /** What was kept here, with `fetchOwn` for this Roost's own. */
  async load(fetchOwn) {
    const kept = this.#kept();
    const own = await this.#own(fetchOwn);
    const added = kept?.added ?? [];
    const hidden = new Set([...(kept?.removed ?? []), ...added.map(({ url }) => url)]);
    this.#servers = [...own.filter(({ url }) => !hidden.has(url)), ...added].slice(0, LIMIT);
    this.#render();
  }

  /** Forgets what was added and taken away, and asks for fresh credentials. */
  async reset(fetchOwn) {
    try {
      localStorage.removeItem(KEY);
    } catch {
      // Nothing was kept then.
    }
    this.#states.clear();
    await this.load(fetchOwn);
  }

  /** Puts a server into the list, in the place of one with the same address if there is one. */
  add(server) {
    const at = this.#servers.findIndex(({ url }) => url === server.url);
    if (at >= 0) this.#servers[at] = { ...server, own: false };
    else this.#servers.push({ ...server, own: false });
    this.#states.delete(server.url);
    this.#keep();
    this.#render();
  }

  remove(server) {
    const at = this.#servers.indexOf(server);
    this.#servers.splice(at, 1);
    this.#keep(server.own ? server.url : null);
    this.#render();
    // The keyboard stays in the list, at the neighbour.
    const buttons = byId("servers").querySelectorAll("button");
    (buttons[Math.min(at, buttons.length - 1)] ?? byId("reset")).focus();
  }

  setStates(reason) {
    this.#states.clear();
    for (const { url } of this.#servers) this.setState({ url, reason });
  }

  /** In place: whoever is on a button of the list stays there. */
  setState(result) {
    this.#states.set(result.url, result);
    this.#notes.get(result.url)?.replaceChildren(this.#state(result));
  }

  async #own(fetchOwn) {
    try {
      const servers = await fetchOwn();
      this.#onProblem(null);
      return servers.flatMap(({ urls, username, credential }) => [urls].flat().map((url) => ({ url, username, credential, own: true })));
    } catch (problem) {
      this.#onProblem(problem);
      return [];
    }
  }

  #kept() {
    try {
      const { added, removed } = JSON.parse(localStorage.getItem(KEY)) ?? {};
      return { added: Array.isArray(added) ? added.filter(({ url }) => typeof url === "string") : [], removed: Array.isArray(removed) ? removed : [] };
    } catch {
      return null;
    }
  }

  #keep(removedUrl = null) {
    const removed = [...(this.#kept()?.removed ?? []), ...(removedUrl ? [removedUrl] : [])].slice(-LIMIT);
    const added = this.#servers.filter(({ own }) => !own).map(({ url, username, credential }) => ({ url, username, credential }));
    try {
      localStorage.setItem(KEY, JSON.stringify({ added, removed }));
    } catch {
      // Storage is forbidden here: the list lives as long as the page.
    }
  }

  #render() {
    this.#notes.clear();
    byId("servers").replaceChildren(...this.#servers.map((server) => this.#row(server)));
    show(byId("servers"), this.#servers.length > 0);
    show(byId("no-servers"), this.#servers.length === 0);
  }

  #row(server) {
    const { url, username, own } = server;
    const remove = make("button", { type: "button", className: "plain", "data-testid": "remove" }, icon("close"));
    setLabel(remove, this.#texts.remove(url));
    remove.addEventListener("click", () => this.remove(server));
    const whose = own ? this.#texts.own : username ? this.#texts.user(username) : null;
    const state = make("span", { className: "server-state-box" });
    if (this.#states.has(url)) state.append(this.#state(this.#states.get(url)));
    this.#notes.set(url, state);
    return make(
      "li",
      { className: "server", "data-testid": "server", "data-url": url },
      make(
        "span",
        { className: "server-words" },
        make("bdi", { className: "server-url", text: url }),
        make("span", { className: "server-note" }, whose && make("span", { text: whose }), state),
      ),
      remove,
    );
  }

  #state({ reason, code, text, ms }) {
    const words = this.#texts.state[reason];
    const said = typeof words !== "function" ? words : reason === "refused" ? words(code ?? "", text ?? "") : words(ms);
    return make(
      "span",
      { className: "server-state", "data-tone": TONE[reason] ?? "bad", "data-reason": reason },
      make("span", { className: "dot" }),
      make("span", { text: said }),
    );
  }
}
