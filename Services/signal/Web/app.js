/** The page: shows what `roost` says, and passes on what a person does. The parts stand in app/, by subject. */

import { Roost } from "./roost.js";
import { Adding } from "./app/add.js";
import { Stage } from "./app/call.js";
import { Devices } from "./app/devices.js";
import { byId, make, setText, show } from "./app/dom.js";
import { openRooms } from "./app/door.js";
import { Keys } from "./app/keys.js";
import { Panel } from "./app/panel.js";
import { Lobby } from "./app/people.js";
import { Ring } from "./app/ring.js";
import { soundConnected, soundEnded, soundLevel, unlockSounds } from "./app/sounds.js";
import { endedText, fillTexts, loadWords, words } from "./app/words.js";

const NAME_KEY = "roost.name";
const POLICY_KEY = "roost.policy";
/** Long enough to read a sentence twice. */
const TOAST_MS = 7_000;

const query = new URLSearchParams(location.search);
const remember = (key, value) => {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is forbidden here: the page works, and forgets.
  }
};
const recall = (key) => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};

const roost = new Roost({ iceTransportPolicy: query.get("policy") ?? recall(POLICY_KEY) ?? "all", filterIceServers });
globalThis.roost = roost;
globalThis.soundLevel = soundLevel;

/** `turn=tls` in the address leaves one way to the relay, and no STUN: to find out which way a network lets through. */
function filterIceServers(servers) {
  const wanted = query.get("turn");
  if (!["udp", "tcp", "tls"].includes(wanted)) return servers;
  const transport = (url) => (url.startsWith("turns:") ? "tls" : url.startsWith("turn:") ? (/transport=(\w+)/.exec(url)?.[1] ?? "udp") : "stun");
  return servers
    .map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => transport(url) === wanted) }))
    .filter(({ urls }) => urls.length > 0);
}

await loadWords();
fillTexts();
unlockSounds();

const lobby = new Lobby(roost);
const panel = new Panel(roost);
const adding = new Adding(roost);
const stage = new Stage(roost, { openDevices: () => devices.open(), togglePanel: () => panel.toggle(), addPerson: () => adding.open() });
const devices = new Devices(roost, stage);
const ring = new Ring(roost);

// ---------------------------------------------------------------- which screen

let screen = null;
let callState = null;

function render() {
  const call = roost.currentCall;
  const inCall = call !== null && call.state !== "ringing";
  const signedIn = roost.state === "signed-in" || (roost.state === "signing-in" && (screen === "people" || call !== null));
  const next = inCall ? "call" : signedIn ? "people" : "sign-in";
  if (call && call.state !== callState) {
    if (call.state === "connected") soundConnected();
    if (inCall) {
      lobby.setOutcome(null);
      lobby.stopChecking({ keepOpen: true });
    }
  }
  callState = call?.state ?? null;
  if (next === "people") lobby.render();
  if (next === "call" || screen === "call") stage.render();
  show(byId("me"), next === "people");
  setText(byId("my-name"), roost.name ?? "");
  if (next !== screen) switchTo(next);
  renderSignIn();
  renderBanner();
  panel.render();
  devices.render();
  adding.render();
  ring.render();
  placeToasts();
}

function switchTo(next) {
  const before = screen;
  screen = next;
  document.body.dataset.screen = next;
  show(byId("screen-sign-in"), next === "sign-in");
  show(byId("screen-people"), next === "people");
  show(byId("screen-call"), next === "call");
  if (next === "sign-in") {
    byId("name").focus();
    byId("name").select();
  } else if (next === "call") {
    // Not on a button: the key that accepted the call, pressed twice, must not end it.
    byId("call-title").focus({ preventScroll: true });
  } else if (before !== null) {
    byId("people-title").focus({ preventScroll: true });
  }
}

// ---------------------------------------------------------------- signing in

let signInProblem = null;

async function signIn(name) {
  signInProblem = null;
  if (name.trim() === "") {
    signInProblem = { code: "empty" };
    byId("name").focus();
    return render();
  }
  try {
    await roost.signIn(name);
    remember(NAME_KEY, roost.name);
  } catch (error) {
    signInProblem = { code: error.code, name: name.trim(), suggestion: error.suggestion };
    render();
    byId(error.suggestion ? "suggestion" : "name").focus();
  }
  return undefined;
}

function renderSignIn() {
  const busy = roost.state === "signing-in";
  const button = byId("sign-in");
  button.disabled = busy;
  setText(button, busy ? words.signIn.busy : words.signIn.button);
  const { code, name, suggestion } = signInProblem ?? {};
  const text = code ? (words.signIn[code] ?? words.signIn.other) : "";
  setText(byId("name-error"), typeof text === "function" ? text(name) : text);
  byId("name").setAttribute("aria-invalid", String(Boolean(code)));
  show(byId("suggestion"), Boolean(suggestion));
  if (suggestion) setText(byId("suggestion"), words.signIn.suggestion(suggestion));
}

byId("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(byId("name").value);
});
byId("suggestion").addEventListener("click", () => {
  byId("name").value = signInProblem.suggestion;
  signIn(signInProblem.suggestion);
});
byId("name").addEventListener("input", () => {
  if (!signInProblem) return;
  signInProblem = null;
  renderSignIn();
});
byId("sign-out").addEventListener("click", () => {
  lobby.stopChecking();
  lobby.setOutcome(null);
  roost.signOut();
});

// ---------------------------------------------------------------- the way into a room

openRooms({
  form: byId("room-form"),
  input: byId("room-name"),
  problem: byId("room-error"),
  query: () => {
    const own = byId("name").value.trim();
    return own ? `?name=${encodeURIComponent(own)}` : "";
  },
});
openRooms({ form: byId("people-room-form"), input: byId("people-room-name"), problem: byId("people-room-error") });

// ---------------------------------------------------------------- banner and notices

let wasAway = false;
let awaySince = null;

/** A drop that heals within a moment is nobody's business; one that lasts is said plainly. */
const BANNER_AFTER_MS = 600;

function renderBanner() {
  const away = roost.connection === "waiting" || (roost.state === "signing-in" && roost.connection === "opening");
  if (away) awaySince ??= performance.now();
  else awaySince = null;
  const told = away && performance.now() - awaySince >= BANNER_AFTER_MS;
  if (away && !told) setTimeout(render, BANNER_AFTER_MS + 20 - (performance.now() - awaySince));
  if (told) {
    const text = roost.state === "signing-in" && screen === "sign-in" ? words.signIn.waiting : navigator.onLine ? words.banner.waiting : words.banner.offline;
    const { members, currentCall: call } = roost;
    const goesOn = navigator.onLine && members.length > 0 && members.every((each) => each.state === "connected");
    const ofCall = screen !== "call" || !call?.connectedAt ? "" : goesOn ? words.banner.inCall : navigator.onLine ? "" : words.banner.callWaits;
    setText(byId("banner"), ofCall ? `${text} ${ofCall}` : text);
  }
  show(byId("banner"), told);
  if (wasAway && !away && roost.state === "signed-in") toast(words.banner.back);
  wasAway = told;
}

/** Inside an open dialog, or its layer would hide them, from eyes and from screen readers. */
function placeToasts() {
  const host = document.querySelector("dialog[open]") ?? document.body;
  if (byId("toasts").parentElement !== host) host.append(byId("toasts"));
}

function toast(text) {
  const element = make("p", { className: "toast", text, "data-testid": "toast" });
  const list = byId("toasts");
  placeToasts();
  list.append(element);
  while (list.children.length > 3) list.firstElementChild.remove();
  setTimeout(() => element.remove(), TOAST_MS);
}

roost.addEventListener("notice", ({ detail }) => {
  const { notice } = detail;
  if (notice === "media-problem") return console.warn("roost:", detail.message);
  if (notice === "signed-out") {
    signInProblem = detail.code === "name-taken" ? { code: "name-taken", name: byId("name").value || roost.name, suggestion: detail.suggestion } : null;
    return toast(detail.code === "name-taken" ? words.notice["signed-out"](roost.name) : words.notice["signed-out-other"]);
  }
  // The list of missed calls says it where it can be seen.
  if (notice === "called-while-busy" && screen === "people") return undefined;
  const text = words.notice[notice];
  const added = notice.startsWith("added-") ? words.ended.out[notice.slice("added-".length)] : null;
  if (added) toast(added(detail.name));
  else if (typeof text === "function") toast(text(detail.name));
  else if (typeof text === "object") toast(text[detail.kind]);
  else if (text) toast(text);
  return undefined;
});

roost.addEventListener("ended", ({ detail }) => {
  if (detail.seconds !== null) soundEnded();
  // A missed call stands in the list of those.
  if (roost.missed.some((each) => each.room === detail.room)) return undefined;
  if (detail.reason === "answered-elsewhere" || detail.reason === "declined-elsewhere") return toast(endedText(detail));
  return lobby.setOutcome(detail);
});

// ---------------------------------------------------------------- keys

const keys = new Keys(words.help.keys);

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (event.target.matches?.("input, select, textarea")) return;
  const call = roost.currentCall;
  if (!call) return;
  if (event.key === "Escape" && panel.isOpen && call.state !== "ringing") {
    panel.toggle(false);
    byId("control-panel").focus();
    return;
  }
  if (!keys.areOn) return;
  const actions =
    call.state === "ringing"
      ? { a: "accept-video", o: "accept-voice" }
      : { m: "control-mic", v: "control-camera", s: "control-screen", d: "control-devices", p: "control-add", i: "control-panel", h: "hang-up" };
  const target = actions[event.key.toLowerCase()];
  if (!target || byId(target).hidden || (call.state !== "ringing" && document.querySelector("dialog[open]"))) return;
  event.preventDefault();
  byId(target).click();
});

byId("relay-only").checked = roost.iceTransportPolicy === "relay";
byId("relay-only").addEventListener("change", (event) => {
  roost.iceTransportPolicy = event.target.checked ? "relay" : "all";
  remember(POLICY_KEY, roost.iceTransportPolicy);
});

for (const dialog of document.querySelectorAll("dialog.sheet")) {
  // A click beside the sheet closes it, as people expect of one.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

// ---------------------------------------------------------------- start

roost.addEventListener("change", render);
addEventListener("online", render);
addEventListener("offline", render);

byId("name").value = query.get("name") ?? recall(NAME_KEY) ?? "";
const asked = query.get("signin") === "1" ? (query.get("name") ?? "").trim() : "";
const restored = await roost.restore(asked).catch((error) => {
  signInProblem = { code: error.code, name: byId("name").value, suggestion: error.suggestion };
  return true;
});
// This tab came here from a room: it left it by that.
roost.leave();
if (!restored && asked) signIn(asked);
render();
