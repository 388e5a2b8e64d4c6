/** The language, and the sentences that depend on what happened. */

import { clock, setIcon, setLabel } from "./dom.js";

/** The texts in use; filled by `loadWords` before anything is shown. */
export let words = null;

const LANGUAGES = { en: "en", zh: "zh" };

/** Chooses the first language of the browser's list that we have; `?lang=` is for support and tests. */
export async function loadWords({ room = false } = {}) {
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [asked, ...(navigator.languages ?? []), "en"].filter(Boolean);
  const language = wanted.map((tag) => LANGUAGES[tag.toLowerCase().split("-")[0]]).find(Boolean);
  words = (await (language === "zh" ? import("../texts/zh.js") : import("../texts/en.js"))).default;
  if (room) words = { ...words, room: (await (language === "zh" ? import("../texts/room-zh.js") : import("../texts/room-en.js"))).default };
  document.documentElement.lang = words.lang;
}

/** Why a picture is paused, as the texts call it: the node cannot tell a slow download from a page that answers late. */
export const whyPaused = (roost, reason) => (reason === "bandwidth" && roost.isBusy ? "busy" : reason);

const look = (key) => key.split(".").reduce((texts, part) => texts?.[part], words);

/** Fills the page's fixed texts, labels, placeholders and icons. */
export function fillTexts(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = look(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) {
    if (element.tagName === "BUTTON") setLabel(element, look(element.dataset.label));
    else element.setAttribute("aria-label", look(element.dataset.label));
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = look(element.dataset.placeholder);
  for (const element of root.querySelectorAll("[data-icon]")) setIcon(element, element.dataset.icon);
}

/** What to say about the end of a call. */
export function endedText({ reason, direction, peer, seconds }) {
  const side = words.ended[direction];
  const text = (seconds === null ? side[reason] : null) ?? words.ended.any[reason] ?? side[reason] ?? words.ended.any.ended;
  const sentence = text(peer.name);
  return seconds === null ? sentence : words.ended.after(sentence, clock(seconds));
}

/** What to say about a call that nobody answered here. */
export function missedText({ name, at, reason }) {
  const when = new Date(at);
  const isToday = when.toDateString() === new Date().toDateString();
  // The hours as this person's browser writes them, where it speaks the page's language.
  const language = navigator.language?.startsWith(words.lang.split("-")[0]) ? navigator.language : words.lang;
  const time = when.toLocaleString(language, { ...(isToday ? {} : { weekday: "long" }), hour: "numeric", minute: "2-digit" });
  return (words.missed[reason] ?? words.missed.any)(name, time.replaceAll(" ", "\u00a0"));
}

/** Why others cannot hear or see us, or null when they can (or when we chose so ourselves). */
export function mediaText(local) {
  const problem = (source) => (["none", "refused", "in-use", "insecure"].includes(source.state) ? source.state : null);
  const audio = problem(local.audio);
  const video = local.video.wanted ? problem(local.video) : null;
  if (audio && audio === video && words.media.both[audio]) return words.media.both[audio];
  return [audio && words.media.audio[audio], video && words.media.video[video]].filter(Boolean).join(" ") || null;
}

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function bitRate(bps) {
  if (!bps) return "0 kbit/s";
  return bps >= 1_000_000 ? `${number.format(bps / 1_000_000)} Mbit/s` : `${Math.round(bps / 1000)} kbit/s`;
}

export const percent = (share) => `${number.format(share * 100)} %`;
export const milliseconds = (ms) => (ms === null || ms === undefined ? "–" : ms < 1 ? "< 1 ms" : `${Math.round(ms)} ms`);
