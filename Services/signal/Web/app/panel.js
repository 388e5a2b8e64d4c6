/** Live figures of the call: the way it takes, codecs, sizes, rates, losses, and what theory says there should be. */

import { byId, make, setText, show } from "./dom.js";
import { bitRate, milliseconds, percent, words } from "./words.js";

export class Panel {
  #roost;
  #open = false;
  #values = new Map();
  #shape = "";

  constructor(roost) {
    this.#roost = roost;
    byId("panel-close").addEventListener("click", () => {
      this.toggle(false);
      byId("control-panel").focus();
    });
    roost.addEventListener("statistics", () => this.render());
  }

  toggle(open = !this.#open) {
    this.#open = open;
    show(byId("panel"), open);
    byId("path-chip").setAttribute("aria-expanded", String(open));
    byId("control-panel").setAttribute("aria-expanded", String(open));
    byId("control-panel").setAttribute("aria-controls", "panel");
    this.render();
  }

  get isOpen() {
    return this.#open;
  }

  render() {
    if (!this.#open) return;
    if (!this.#roost.currentCall) return this.toggle(false);
    const sections = this.#sections(this.#roost.statistics());
    // Only figures change from second to second; the table is built anew when its rows do.
    const shape = JSON.stringify(sections.map(({ title, rows }) => [title, rows.map((row) => row[0])]));
    if (shape !== this.#shape) this.#build(sections, shape);
    for (const { title, rows } of sections) {
      for (const [name, ...values] of rows) values.forEach((value, at) => setText(this.#values.get(`${title}/${name}/${at}`), value));
    }
  }

  #build(sections, shape) {
    this.#shape = shape;
    this.#values.clear();
    const body = byId("panel-body");
    body.replaceChildren();
    for (const { title, head, rows, foot } of sections) {
      const table = make("table", { className: head ? "figures wide" : "figures" });
      table.append(make("caption", { text: title }));
      if (head) table.append(make("tr", {}, ...head.map((text) => make(text ? "th" : "td", text ? { text, scope: "col" } : {}))));
      for (const [name, ...values] of rows) {
        const cells = values.map((value, at) => {
          const cell = make("td", { text: value });
          this.#values.set(`${title}/${name}/${at}`, cell);
          return cell;
        });
        table.append(make("tr", {}, make("th", { text: name, scope: "row" }), ...cells));
      }
      body.append(table);
      if (foot) body.append(make("p", { className: "figures-foot", text: foot }));
    }
  }

  #sections(figures) {
    const text = words.panel;
    const isForwarded = figures.sent !== undefined;
    const measured = figures.links.filter((link) => (isForwarded ? link.video : link.at !== undefined));
    if (measured.length === 0) return [{ title: text.waiting, rows: [] }];
    const sections = [
      {
        title: text.path,
        rows: [
          ...(measured.length === 1 && !isForwarded ? this.#way(measured[0]) : [[text.path, isForwarded && figures.path === "direct" ? text.forwarded : figures.path ? text[figures.path] : "–"]]),
          [text.roundTrip, milliseconds(figures.rttMs)],
          [text.up, bitRate(figures.up.bps)],
          [text.down, bitRate(figures.down.bps)],
          [text.node, figures.node ?? "–"],
          [text.topology, text.topologies[figures.topology] ?? figures.topology ?? "–"],
        ],
      },
    ];
    const { counted, theory } = figures;
    sections.push({
      title: text.counted,
      head: [text.what, text.here, text.theory],
      rows: [
        [text.links, String(counted.links), String(theory.links)],
        [text.streamsUp, String(counted.up), String(theory.up)],
        [text.streamsDown, String(counted.down), String(theory.down)],
      ],
      foot: isForwarded ? text.formulaNode(counted.members, theory.streams) : text.formula(counted.members, theory.streams, theory.roomLinks),
    });
    for (const link of measured) {
      sections.push({
        title: text.from(link.name),
        rows: [
          ...this.#picture(link.video),
          [text.sound, this.#sound(link.audio)],
          [text.loss, percent(Math.max(link.video.loss, link.audio.loss))],
          ...(measured.length > 1 && !isForwarded ? [...this.#way(link), [text.roundTrip, milliseconds(link.rttMs)]] : []),
        ],
      });
      if (isForwarded) continue;
      sections.push({
        title: text.to(link.name),
        rows: [
          ...this.#picture(link.sent.video),
          [text.sound, this.#sound(link.sent.audio)],
          [text.loss, percent(Math.max(link.sent.video.loss, link.sent.audio.loss))],
        ],
      });
    }
    if (isForwarded) {
      const { video, audio } = figures.sent;
      // As the browser tells them, which is in no order.
      const best = video.layers?.filter((layer) => layer.width > 0 && layer.bps > 0).toSorted((a, b) => b.width - a.width)[0];
      sections.push({ title: text.you, rows: [...this.#picture({ ...video, ...best, bps: video.bps }), [text.sound, this.#sound(audio)]] });
    }
    return sections;
  }

  /** Direct, or relayed: on which side, and by which transport that side reaches its TURN server. */
  #way({ name, path, protocol, relay }) {
    const text = words.panel;
    const over = (transport) => (transport ? ` ${text.over(transport.toUpperCase())}` : "");
    if (path !== "relayed") return [[text.path, path ? text[path] + over(protocol) : "–"]];
    const rows = [[text.path, text.relayed]];
    if (relay.here) rows.push([`${text.relay} ${text.relayHere}`, `TURN${over(relay.here.protocol)}`]);
    if (relay.here?.url) rows.push([text.relayServer, relay.here.url]);
    if (relay.there) rows.push([`${text.relay} ${text.relayThere(name)}`, `TURN${over(relay.there.protocol)}`]);
    return rows;
  }

  #picture({ codec, width, height, fps, bps, limitedBy }) {
    const text = words.panel;
    if (!codec || !bps) return [[text.picture, text.nothing]];
    const rows = [
      [text.picture, `${codec} · ${width} × ${height}`],
      [text.frames, text.fps(Math.round(fps))],
      [text.rate, bitRate(bps)],
    ];
    if (limitedBy) rows.push([text.heldBack, text.limited[limitedBy] ?? text.limited.other]);
    return rows;
  }

  #sound({ codec, bps }) {
    return codec && bps ? [codec === "opus" ? "Opus" : codec, bitRate(bps)].join(" · ") : words.panel.nothing;
  }
}
