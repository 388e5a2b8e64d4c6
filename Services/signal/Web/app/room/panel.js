/** Live figures of the room: the way to the node, every member's streams, and what theory says there should be. */

import { byId, make, setText } from "../dom.js";
import { bitRate, milliseconds, percent, words } from "../words.js";

const WINDOWS = [2, 10, 40];
/** The largest first; browsers tell them in no order. */
const LAYERS = ["h", "m", "l"];

export class RoomPanel {
  #roost;
  #values = new Map();
  #shape = "";

  constructor(roost) {
    this.#roost = roost;
  }

  render() {
    const sections = this.#sections(this.#roost.statistics());
    // Only figures change from second to second; tables are built anew when their rows do.
    const shape = JSON.stringify(sections.map(({ title, rows }) => [title, rows.map((row) => [row[0], row.length])]));
    if (shape !== this.#shape) this.#build(sections, shape);
    sections.forEach(({ rows }, section) => {
      rows.forEach(([, ...values], row) => values.forEach((value, at) => setText(this.#values.get(`${section}/${row}/${at}`), value)));
    });
  }

  #build(sections, shape) {
    this.#shape = shape;
    this.#values.clear();
    const body = byId("panel-body");
    body.replaceChildren();
    sections.forEach(({ title, kind, head, rows, foot }, section) => {
      const table = make("table", { className: ["figures", head && "wide", kind].filter(Boolean).join(" ") }, make("caption", { text: title }));
      if (head) table.append(make("tr", {}, ...head.map((text) => make(text ? "th" : "td", text ? { text, scope: "col" } : {}))));
      rows.forEach(([name, ...values], row) => {
        const cells = values.map((value, at) => {
          const cell = make("td", { text: value });
          this.#values.set(`${section}/${row}/${at}`, cell);
          return cell;
        });
        table.append(make("tr", {}, make("th", { text: name, scope: "row" }), ...cells));
      });
      body.append(table);
      if (foot) body.append(make("p", { className: "figures-foot", text: foot }));
    });
  }

  #sections(figures) {
    const text = words.panel;
    const { panel } = words.room;
    const { counted, theory, sent, totals } = figures;
    const sections = [
      {
        title: panel.link,
        rows: [
          [text.path, figures.path ? [text[figures.path], figures.protocol ? text.over(figures.protocol.toUpperCase()) : ""].join(" ") : "–"],
          [text.roundTrip, milliseconds(figures.rttMs)],
          [text.up, bitRate(figures.up.bps)],
          [text.down, bitRate(figures.down.bps)],
          ...(figures.estimateBps ? [[panel.estimate, bitRate(figures.estimateBps)]] : []),
          [text.node, figures.node ?? "–"],
          [text.topology, text.topologies[figures.topology] ?? figures.topology ?? "–"],
        ],
      },
      {
        title: text.counted,
        head: [text.what, text.here, text.theory],
        rows: [
          [text.links, String(counted.links), String(theory.links)],
          [text.streamsUp, String(counted.up), String(theory.up)],
          [text.streamsDown, String(counted.down), String(theory.down)],
        ],
        foot: theory.roomUp === undefined ? text.formula(counted.members, theory.streams, theory.roomLinks) : panel.formula(counted.members, theory.streams, theory.roomUp, theory.roomDown),
      },
    ];
    if (figures.nodeLinks?.length > 0) {
      const side = ({ bps, loss }) => `${bitRate(bps)}\n${panel.lost(percent(loss))}`;
      sections.push({
        title: panel.everyLink,
        kind: "links",
        head: ["", text.up, text.down, text.roundTrip],
        rows: figures.nodeLinks.map(({ name, self, up, down, rttMs }) => [self ? `${name} (${words.you})` : name, side(up), side(down), milliseconds(rttMs)]),
      });
    }
    if (totals) {
      sections.push({
        title: panel.totals,
        head: ["", ...WINDOWS.map(panel.seconds)],
        rows: [
          [panel.received, ...WINDOWS.map((_, at) => bitRate(totals.receivedBps?.[at] ?? 0))],
          [panel.sent, ...WINDOWS.map((_, at) => bitRate(totals.sentBps?.[at] ?? 0))],
        ],
      });
    }
    if (sent) sections.push(this.#mine(sent));
    for (const link of figures.links) if (link.audio) sections.push(this.#theirs(link));
    return sections;
  }

  #mine(sent) {
    const text = words.panel;
    const { panel } = words.room;
    const order = (each) => LAYERS.indexOf(each.rid);
    const layers = (sent.video.layers ?? []).toSorted((a, b) => order(a) - order(b)).map((each) => [
      `${panel.layer} ${each.rid ?? "–"}`,
      each.active && each.bps > 0 ? `${each.width} × ${each.height} · ${bitRate(each.bps)}` : panel.paused,
    ]);
    return {
      title: panel.you,
      rows: [
        [text.sound, this.#codec(sent.audio)],
        [text.picture, this.#codec(sent.video)],
        ...layers,
        ...(sent.screen.flowing ? [[panel.screen, this.#codec(sent.screen)]] : []),
        [text.loss, percent(Math.max(sent.audio.loss, sent.video.loss))],
      ],
    };
  }

  #theirs({ name, audio, video, screen, rid, paused }) {
    const text = words.panel;
    const { panel } = words.room;
    const picture = paused ? panel.paused : video.width ? `${video.codec ?? ""} · ${video.width} × ${video.height} · ${text.fps(Math.round(video.fps ?? 0))}` : text.nothing;
    return {
      title: text.from(name),
      rows: [
        [text.picture, picture],
        [text.rate, bitRate(video.bps)],
        ...(rid ? [[panel.layer, rid]] : []),
        [panel.freezes, String(video.freezeCount ?? 0)],
        ...(screen?.flowing ? [[panel.screen, `${screen.width} × ${screen.height} · ${bitRate(screen.bps)}`]] : []),
        [text.sound, this.#codec(audio)],
        [text.loss, percent(Math.max(audio.loss, video.loss))],
      ],
    };
  }

  #codec({ codec, bps }) {
    return codec && bps ? `${codec === "opus" ? "Opus" : codec} · ${bitRate(bps)}` : words.panel.nothing;
  }
}
