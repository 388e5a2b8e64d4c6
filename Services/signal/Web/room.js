/** The page of a room: shows what `roost` says, and passes on what a person does. The parts stand in app/room/, by subject. */

import { Roost } from "./roost.js";
import { Devices } from "./app/devices.js";
import { byId, clock, make, setIcon, setLabel, setText, show } from "./app/dom.js";
import { openRooms, roomAt } from "./app/door.js";
import { Keys } from "./app/keys.js";
import { Grid } from "./app/room/grid.js";
import { Lobby } from "./app/room/lobby.js";
import { Side } from "./app/room/side.js";
import { fillTexts, loadWords, mediaText, words } from "./app/words.js";

const NAME_KEY = "roost.name";
const TOAST_MS = 6_000;
/** A drop that heals within a moment is nobody's business. */
const BANNER_AFTER_MS = 1_000;
const EMOJIS = ["👍", "👏", "❤️", "😂", "😮", "🎉"];

const query = new URLSearchParams(location.search);
const { name: room, like } = roomAt(location.pathname);
const stored = (action) => {
  try {
    return action(localStorage);
  } catch {
    // Storage is forbidden here: the page works, and forgets.
    return null;
  }
};

const roost = new Roost({ iceTransportPolicy: query.get("policy") ?? stored((store) => store.getItem("roost.policy")) ?? "all" });
globalThis.roost = roost;
await loadWords({ room: true });
fillTexts();
document.title = room === null ? words.room.noSuch.title : words.room.pageTitle(room);

/** Who comes by such an address sends nothing; a host cannot change that, but another address can. */
const listens = query.get("role") === "listener";
const lobby = new Lobby(roost, { room: room ?? "", listens }, (name) => enter(name));
const grid = new Grid(roost, { copy, changed: () => render() });
const side = new Side(roost, { toast, copy });
const devices = new Devices(roost, { applySpeaker: () => grid.applySpeaker() });

// ---------------------------------------------------------------- which screen

let screen = null;
let troubleSince = null;
let known = null;

function render() {
  const next = room === null ? "no-such" : roost.entered ? "room" : "lobby";
  if (next === "room") {
    grid.render();
    side.render();
    renderControls();
    noticeComings();
    // Whoever leaves and comes back finds it so; the lobby says it, and its buttons change it.
    lobby.plan = { audio: roost.local.audio.wanted, video: roost.local.video.wanted };
  } else if (next === "lobby") {
    lobby.render();
  }
  // Who was among the people comes back to them without being asked for a name.
  if (roost.name) for (const link of document.querySelectorAll("a.home")) link.href = `/?name=${encodeURIComponent(roost.name)}&signin=1`;
  if (next !== screen) switchTo(next);
  if (next === "room") renderHead();
  renderBanner();
  devices.render();
}

function switchTo(next) {
  const before = screen;
  screen = next;
  // "call" is the stage's darkness, which style.css knows.
  document.body.dataset.screen = next === "room" ? "call" : "lobby";
  show(byId("screen-no-such"), next === "no-such");
  show(byId("screen-lobby"), next === "lobby");
  show(byId("screen-room"), next === "room");
  if (next === "room") {
    lobby.stop();
    lobby.outcome = lobby.problem = null;
    known = null;
    byId("room-title").focus({ preventScroll: true });
    grid.render();
  } else if (next === "no-such") {
    byId("no-such-title").focus({ preventScroll: true });
  } else {
    grid.clear();
    side.clear();
    show(byId("reactions"), false);
    if (before !== null) byId("lobby-title").focus({ preventScroll: true });
    else byId("name").focus();
  }
}

// ---------------------------------------------------------------- entering and leaving

async function enter(name, { atOnce = false } = {}) {
  if (lobby.busy) return;
  lobby.problem = null;
  if (name.trim() === "") {
    lobby.problem = { code: "empty" };
    byId("name").focus();
    return render();
  }
  lobby.busy = true;
  render();
  try {
    if (roost.state !== "signed-in" || roost.name !== name.trim()) {
      if (roost.state === "signed-in") roost.signOut();
      await roost.signIn(name);
    }
    stored((store) => store.setItem(NAME_KEY, roost.name));
    const wanted = (kind) => atOnce || lobby.goesOn(kind);
    const topology = query.get("topology") ?? undefined;
    await roost.enter(room, { audio: wanted("audio"), video: wanted("video"), ...(topology && { topology }), ...(listens && { role: "listener" }) });
  } catch (error) {
    lobby.problem = { code: error.code, name: name.trim(), suggestion: error.suggestion };
    if (!roost.entered) signOut();
  }
  lobby.busy = false;
  return render();
}

/**
 * Signed in only while in the room: nothing here rings, so who stands outside must not seem to be within reach. Calls that were missed
 * inside wait for the page of people.
 */
function signOut() {
  roost.signOut({ keepMissed: true });
}

roost.addEventListener("room-left", ({ detail }) => {
  lobby.lookAgain();
  signOut();
  // Another room, which this tab was in before it came here.
  if (detail.room !== room) return;
  const text = words.room.out[detail.reason] ?? words.room.out.other;
  if (lobby.busy) return;
  lobby.outcome = text;
  lobby.isFinal = detail.reason === "removed";
  lobby.problem = null;
  render();
});

byId("control-leave").addEventListener("click", () => roost.leave());

// ---------------------------------------------------------------- head, controls, banner

function renderHead() {
  const { members, entered } = roost;
  setText(byId("room-title"), words.room.heading(entered.room));
  const { state } = mediaState();
  const text = entered.state === "entering" ? words.room.state.entering : state === "connected" ? words.room.members(members.length + 1) : words.room.state[state];
  setText(byId("room-status"), text);
  const paused = members.filter((each) => each.paused && each.pausedReason === "bandwidth").length;
  show(byId("slow-note"), paused > 0);
  setText(byId("slow-note"), roost.isBusy ? words.room.busy(paused) : words.room.slow(paused));
  const note = roost.me?.role === "listener" ? words.room.listening : mediaText(roost.local);
  show(byId("media-note"), note !== null);
  setText(byId("media-note"), note ?? "");
  show(byId("hear"), grid.isBlocked);
}

/** The state of the way to the others: as bad as the worst of them, for through a node they are one. Who is alone has that way all the same. */
function mediaState() {
  const { members } = roost;
  const states = (members.length > 0 ? members : [roost.statistics()]).flatMap((each) => each.state ?? []);
  return { state: ["failed", "reconnecting", "connecting"].find((state) => states.includes(state)) ?? (states.length > 0 && states.every((each) => each === "new") ? "connecting" : "connected") };
}

function control(id, name, label, short, key, { off = false, on = false } = {}) {
  const element = byId(id);
  setIcon(element, name);
  setLabel(element, label, key);
  element.classList.toggle("off", off);
  element.classList.toggle("on", on);
  let text = element.querySelector(".control-text");
  if (!text) element.append((text = make("span", { className: "control-text", "aria-hidden": "true" })));
  setText(text, short);
}

function renderControls() {
  const { audio, video, screen: shared } = roost.local;
  const micOn = audio.state === "on";
  const cameraOn = video.state === "on";
  const handUp = roost.hands.has("self");
  control("control-mic", micOn ? "mic" : "micOff", micOn ? words.call.micOff : words.call.micOn, words.call.micShort, "M", { off: !micOn });
  control("control-camera", cameraOn ? "camera" : "cameraOff", cameraOn ? words.call.cameraOff : words.call.cameraOn, words.call.cameraShort, "V", { off: !cameraOn });
  control("control-screen", "screen", shared ? words.call.screenOff : words.call.screenOn, words.call.screenShort, "S", { on: shared !== null });
  const mayShow = Boolean(navigator.mediaDevices?.getDisplayMedia);
  for (const name of ["mic", "camera", "screen", "devices"]) show(byId(`control-${name}`), !roost.local.isSilent && (name !== "screen" || mayShow));
  control("control-hand", "hand", handUp ? words.room.handDown : words.room.handUp, words.room.handShort, "R", { on: handUp });
  control("control-react", "smile", words.room.react, words.room.react);
  control("control-devices", "settings", words.call.devices, words.call.devicesShort, "D");
  control("control-leave", "leave", words.room.leave, words.room.leaveShort);
  setIcon(byId("tool-view"), grid.view === "grid" ? "speaker" : "grid");
  setLabel(byId("tool-view"), grid.view === "grid" ? words.room.viewSpeaker : words.room.viewGrid, "G");
}

function renderBanner() {
  const isIn = roost.entered?.state === "in";
  const { state } = mediaState();
  const mediaLost = isIn && state === "reconnecting";
  const serverLost = roost.connection === "waiting";
  const trouble = mediaLost || serverLost;
  if (trouble) troubleSince ??= performance.now();
  else troubleSince = null;
  const told = trouble && performance.now() - troubleSince >= BANNER_AFTER_MS;
  if (trouble && !told) setTimeout(render, BANNER_AFTER_MS + 20 - (performance.now() - troubleSince));
  show(byId("banner"), told);
  if (!told) return;
  const { banner } = words.room;
  const goesOn = isIn && state === "connected" && roost.members.length > 0;
  setText(byId("banner"), !navigator.onLine ? banner.offline : mediaLost ? banner.media : goesOn ? banner.server : words.banner.waiting);
}

byId("control-mic").addEventListener("click", () => roost.setMicrophone(roost.local.audio.state !== "on"));
byId("control-camera").addEventListener("click", () => roost.setCamera(roost.local.video.state !== "on"));
byId("control-screen").addEventListener("click", () => {
  roost.shareScreen(!roost.local.screen).catch((error) => {
    // Not choosing a screen is not a failure.
    if (error.code !== "screen-refused") toast(words.notice[error.code] ?? error.message);
  });
});
byId("control-hand").addEventListener("click", () => roost.raiseHand(!roost.hands.has("self")));
byId("control-devices").addEventListener("click", () => devices.open());
byId("hear").addEventListener("click", () => grid.hear());
byId("tool-copy").addEventListener("click", () => copy(null));
byId("tool-view").addEventListener("click", () => {
  grid.toggleView();
  render();
});

function toggleReactions(open = byId("reactions").hidden) {
  show(byId("reactions"), open);
  byId("control-react").setAttribute("aria-expanded", String(open));
  if (open) byId("reactions").firstElementChild.focus();
}
byId("control-react").addEventListener("click", () => toggleReactions());
byId("reactions").append(
  ...EMOJIS.map((emoji) => {
    const button = make("button", { type: "button", text: emoji, "aria-label": words.room.reactWith(emoji) });
    button.addEventListener("click", () => {
      roost.react(emoji);
      toggleReactions(false);
      byId("control-react").focus();
    });
    return button;
  }),
);

/** The address without what was only for this visit. */
async function copy(label) {
  const link = `${location.origin}/room/${encodeURIComponent(room)}`;
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    return toast(link);
  }
  if (!label) return toast(words.room.copied);
  setText(label, words.room.copied);
  return setTimeout(() => setText(label, words.room.copy), 2_000);
}

// ---------------------------------------------------------------- notices

/** Inside an open dialog, or its layer would hide them, from eyes and from screen readers. */
function placeNotices() {
  const host = document.querySelector("dialog[open]") ?? document.body;
  for (const id of ["said", "toasts"]) if (byId(id).parentElement !== host) host.append(byId(id));
}

/** For screen readers alone: what others see without looking for it. */
function say(text) {
  placeNotices();
  const element = make("p", { text });
  byId("said").append(element);
  setTimeout(() => element.remove(), TOAST_MS);
}

roost.addEventListener("reaction", ({ detail }) => detail.from !== "self" && say(words.room.reacted(detail.name, detail.emoji)));
// With the chat open its own list is read out.
roost.addEventListener("chat", () => side.open !== "chat" && say(words.room.wrote(roost.chat.at(-1).name, roost.chat.at(-1).text)));

/** Of a `kind` only the last one stands: many who come at once would hide the others. */
function toast(text, kind = null) {
  const element = make("p", { className: "toast", text, "data-testid": "toast", ...(kind && { "data-kind": kind }) });
  if (kind) for (const other of [...byId("toasts").children]) if (other.dataset.kind === kind) other.remove();
  placeNotices();
  byId("toasts").append(element);
  while (byId("toasts").children.length > 3) byId("toasts").firstElementChild.remove();
  setTimeout(() => element.remove(), TOAST_MS);
}

/** Says who came and went; not of those who were here before. */
function noticeComings() {
  if (roost.entered?.state !== "in" || !roost.room) return;
  const now = new Map(roost.members.map((each) => [each.member, each.name]));
  if (known) {
    for (const [id, name] of now) if (!known.has(id)) toast(words.room.notice.joined(name), "came");
    for (const [id, name] of known) if (!now.has(id)) toast(words.room.notice.left(name));
  }
  known = now;
}

roost.addEventListener("notice", ({ detail }) => {
  if (detail.notice === "media-problem") return console.warn("roost:", detail.message);
  const text = words.room.notice[detail.notice] ?? words.notice[detail.notice];
  if (detail.notice === "signed-out") toast(words.notice["signed-out-other"]);
  else if (typeof text === "function") toast(text(detail.name));
  else if (typeof text === "object") toast(text[detail.kind]);
  else if (text) toast(text);
  return undefined;
});

// ---------------------------------------------------------------- keys

const keys = new Keys(words.room.keys);

addEventListener("keydown", (event) => {
  if (screen !== "room" || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (!byId("reactions").hidden) {
      toggleReactions(false);
      byId("control-react").focus();
    } else if (side.open) side.toggle(side.open);
    return;
  }
  if (event.target.matches?.("input, select, textarea") || !keys.areOn) return;
  const targets = { m: "control-mic", v: "control-camera", s: "control-screen", r: "control-hand", d: "control-devices", c: "tool-chat", p: "tool-people", i: "tool-panel", g: "tool-view" };
  const target = targets[event.key.toLowerCase()];
  if (!target || byId(target).hidden) return;
  event.preventDefault();
  byId(target).click();
});

for (const dialog of document.querySelectorAll("dialog.sheet")) dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

// ---------------------------------------------------------------- start

roost.addEventListener("change", render);
addEventListener("online", render);
addEventListener("offline", render);
setInterval(() => {
  const since = roost.entered?.since;
  setText(byId("room-time"), since ? clock((Date.now() - since) / 1_000) : "");
}, 1_000);

openRooms({ form: byId("no-such-form"), input: byId("room-name"), problem: byId("room-error") });
byId("room-name").value = like;
byId("name").value = query.get("name") ?? stored((store) => store.getItem(NAME_KEY)) ?? "";
if (room !== null) {
  // A name in the address is meant: it is stronger than whom this tab was before.
  const named = (query.get("name") ?? "").trim();
  const asked = query.get("join") === "1" ? named : "";
  await roost.restore(asked).catch(() => false);
  if (roost.currentCall) roost.hangUp();
  if (roost.entered && roost.entered.room !== room) roost.leave();
  if (roost.name && !asked && (!named || roost.entered)) byId("name").value = roost.name;
  if (!roost.entered && asked) {
    await enter(asked, { atOnce: true });
  } else if (!roost.entered) {
    signOut();
    lobby.look();
  }
}
render();
