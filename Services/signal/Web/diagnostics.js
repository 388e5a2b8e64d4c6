/** The page /diagnostics: a list of servers, a button, and what diagnose.js finds out. */

import { Roost } from "./roost.js";
import { describeUrl, diagnose } from "./diagnose.js";
import { ServerList } from "./app/servers.js";
import { byId, icon, make, setText, show } from "./app/dom.js";
import { fillTexts, loadWords, words } from "./app/words.js";

const COPIED_MS = 2_000;

const roost = new Roost();
globalThis.roost = roost;

await loadWords();
const texts = words.diagnostics;
fillTexts();
document.title = `${texts.pageTitle} · Roost`;
byId("reset").title = texts.resetHint;

const list = new ServerList(texts, (problem) => {
  setText(byId("servers-problem"), problem ? (texts.unavailable[problem.code] ?? texts.unavailable.unavailable) : "");
});

// ---------------------------------------------------------------- the list

byId("add-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [url, username, credential] = ["url", "username", "credential"].map((id) => byId(id).value.trim());
  const { kind } = describeUrl(url);
  const problem = kind === null ? "malformed" : kind === "turn" && !(username && credential) ? "no-credentials" : null;
  setText(byId("add-problem"), problem ? texts.problem[problem] : "");
  byId("url").setAttribute("aria-invalid", String(problem === "malformed"));
  if (problem) return byId(problem === "no-credentials" ? (username ? "credential" : "username") : "url").focus();
  list.add(kind === "turn" ? { url, username, credential } : { url });
  for (const id of ["url", "username", "credential"]) byId(id).value = "";
  return byId("url").focus();
});

byId("reset").addEventListener("click", () => list.reset(() => roost.iceServers()));

// ---------------------------------------------------------------- gathering

const COLUMNS = ["time", "component", "type", "foundation", "protocol", "address", "port", "priority", "url", "relayProtocol"];
const ERROR_COLUMNS = ["time", "code", "text", "url", "address", "port"];

const seconds = (ms) => (ms / 1000).toFixed(ms < 10_000 ? 2 : 1);

let running = null;
let last = null;

byId("gather").addEventListener("click", () => (running ? running.abort() : run()));

async function run() {
  const controller = new AbortController();
  running = controller;
  const began = performance.now();
  startTable(byId("candidates"), COLUMNS, texts.columns);
  startTable(byId("errors"), ERROR_COLUMNS, texts.errorColumns);
  show(byId("no-errors"), true);
  setText(byId("gathering"), "");
  show(byId("verdict"), false);
  show(byId("copy"), false);
  setText(byId("gather"), texts.stop);
  list.setStates("trying");
  const progress = () => setText(byId("progress"), texts.running(Math.floor((performance.now() - began) / 1000)));
  progress();
  const timer = setInterval(progress, 1_000);
  let count = 0;
  try {
    last = await diagnose({
      iceServers: list.iceServers,
      iceTransportPolicy: document.querySelector("input[name=policy]:checked").value,
      iceCandidatePoolSize: Math.min(Math.max(Math.trunc(Number(byId("pool").value)) || 0, 0), 10),
      signal: controller.signal,
      words: texts,
      onRow: (row) => {
        count++;
        addRow(byId("candidates"), COLUMNS, texts.columns, row);
      },
      onError: (error) => {
        show(byId("no-errors"), false);
        // Firefox gives a code alone.
        addRow(byId("errors"), ERROR_COLUMNS, texts.errorColumns, { ...error, text: error.text || (texts.errorTexts[error.code] ?? "") });
      },
      onServer: (result) => list.setState(result),
      onComplete: ({ state, ms }) => setText(byId("gathering"), texts.end[state](count, seconds(ms))),
    });
    setText(byId("progress"), "");
    renderVerdict(last.verdict);
  } finally {
    clearInterval(timer);
    running = null;
    setText(byId("gather"), texts.again);
  }
}

/** Roles are said again, because the small-screen style takes the table's own layout away, and with it browsers take the roles. */
function startTable(table, columns, names) {
  const heads = columns.map((column) =>
    make(
      "th",
      { scope: "col", role: "columnheader", text: names[column] },
      column === "priority" ? make("span", { className: "sub", text: texts.priorityHint }) : null,
    ),
  );
  table.replaceChildren(
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads)),
    make("tbody", { role: "rowgroup" }),
  );
  show(table, false);
}

function addRow(table, columns, names, row) {
  const cells = columns.map((column) => {
    return make("td", { role: "cell", className: column, "data-column": names[column] }, ...cellOf(column, row));
  });
  table.tBodies[0].append(make("tr", { role: "row", "data-testid": table.id === "errors" ? "error" : "candidate" }, ...cells));
  show(table, true);
}

const part = (text) => make("span", { className: "sub", text });

function cellOf(column, row) {
  const value = row[column];
  switch (column) {
    case "time":
      return [`${seconds(value)} s`];
    case "type":
      return [make("span", { className: "kind", "data-type": value, text: value, title: texts.types[value] ?? "" })];
    case "protocol":
      return [[value, row.tcpType].filter(Boolean).join(" ")];
    case "address":
      return value?.endsWith(".local") ? [value, part(texts.hidden)] : [value ?? ""];
    case "url":
      // A line breaks before the query first, then anywhere.
      return value ? value.split(/(?=\?)/).flatMap((piece, at) => (at > 0 ? [make("wbr"), piece] : [piece])) : [];
    case "priority":
      return [String(value), part(`${row.preferences.type} | ${row.preferences.local} | ${row.preferences.component}`)];
    default:
      return value === null || value === undefined || value === "" ? [] : [String(value)];
  }
}

// ---------------------------------------------------------------- the verdict

const TONES = { good: "check", warn: "info", bad: "close", info: "dash" };

function renderVerdict({ sentences }) {
  const [advice, ...facts] = sentences;
  byId("advice").dataset.tone = advice.tone;
  byId("advice").dataset.code = advice.code;
  setText(byId("advice"), advice.text);
  byId("facts").replaceChildren(
    ...facts.map(({ code, tone, text }) =>
      make(
        "li",
        { "data-tone": tone, "data-code": code },
        make("span", { className: "mark-tone", "aria-hidden": "true" }, icon(TONES[tone])),
        make("span", { text }),
      ),
    ),
  );
  show(byId("verdict"), true);
  byId("advice").scrollIntoView({ block: "nearest" });
  show(byId("copy"), true);
  setText(byId("copy"), texts.copy);
}

/** For whoever helps: everything but passwords, which no row holds. */
byId("copy").addEventListener("click", async () => {
  const report = JSON.stringify({ at: new Date().toISOString(), browser: navigator.userAgent, ...last }, null, 1);
  try {
    await navigator.clipboard.writeText(report);
  } catch {
    return;
  }
  setText(byId("copy"), texts.copied);
  setTimeout(() => setText(byId("copy"), texts.copy), COPIED_MS);
});

// ---------------------------------------------------------------- start

setText(byId("progress"), texts.waiting);
await list.load(() => roost.iceServers());
document.body.dataset.screen = "diagnostics";
