/** Small helpers over the DOM: finding, making, showing, and the icons. Text is only ever set as text. */

const SVG = "http://www.w3.org/2000/svg";

/** Icons on a 24 × 24 grid, drawn as strokes. */
const ICONS = {
  mic: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zM6 11.5a6 6 0 0 0 12 0M12 17.5V21M9 21h6",
  micOff: "M15 9.5V6a3 3 0 0 0-5.7-1.3M9 9v3a3 3 0 0 0 4.6 2.5M6 11.5a6 6 0 0 0 9.3 5M18 11.5a6 6 0 0 1-.5 2.4M12 17.5V21M9 21h6M4 3l16 18",
  listen: "M4.5 15v-2.5a7.5 7.5 0 0 1 15 0V15M4.5 14h3v6H6a1.5 1.5 0 0 1-1.5-1.5zM19.5 14h-3v6H18a1.5 1.5 0 0 0 1.5-1.5z",
  camera: "M4.5 6.5h8a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2zM14.5 11l7-4v10l-7-4",
  cameraOff: "M9.5 6.5h3a2 2 0 0 1 2 2V11l7-4v10l-4-2.3M14.5 15.5a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-7a2 2 0 0 1 1.5-1.9M4 3l16 18",
  screen: "M4 4.5h16a1.5 1.5 0 0 1 1.5 1.5v9.5A1.5 1.5 0 0 1 20 17H4a1.5 1.5 0 0 1-1.5-1.5V6A1.5 1.5 0 0 1 4 4.5zM8.5 20.5h7M12 14V8M9.3 10.5L12 7.8l2.7 2.7",
  phone: "M6.2 3.5h2.9l1.6 4.2-2 1.6a12.5 12.5 0 0 0 6 6l1.6-2 4.2 1.6v2.9a2.2 2.2 0 0 1-2.4 2.2A17 17 0 0 1 4 5.9a2.2 2.2 0 0 1 2.2-2.4z",
  hangup: "M3.2 14.8c-.9-1.1-.8-2.8.3-3.8 4.8-4.3 12.2-4.3 17 0 1.1 1 1.2 2.7.3 3.8l-1 1.2c-.5.6-1.4.7-2 .2L15.5 14.5c-.5-.4-.7-.9-.6-1.5l.1-1.2c-2-.6-4.1-.6-6 0l.1 1.2c.1.6-.1 1.1-.6 1.5l-2.3 1.7c-.6.5-1.5.4-2-.2z",
  settings: "M3.5 7.5h8M17 7.5h3.5M11.5 7.5a2.75 2.75 0 1 0 5.5 0 2.75 2.75 0 1 0-5.5 0M3.5 16.5H7M12.5 16.5h8M7 16.5a2.75 2.75 0 1 0 5.5 0 2.75 2.75 0 1 0-5.5 0",
  chart: "M4 20V4M4 20h16M8 16.5v-4M12 16.5V8M16 16.5v-6M20 16.5V6",
  leave: "M14 4.5H6a1.5 1.5 0 0 0-1.5 1.5v12A1.5 1.5 0 0 0 6 19.5h8M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.5l4.5 4.5L19 7.5",
  dash: "M6 12h12",
  keyboard: "M4 6.5h16a1.5 1.5 0 0 1 1.5 1.5v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 16V8A1.5 1.5 0 0 1 4 6.5zM6.5 10h.1M10 10h.1M13.5 10h.1M17 10h.1M6.5 13.8h.1M17 13.8h.1M9.5 13.8h5",
  lock: "M6.5 10.5h11A1.5 1.5 0 0 1 19 12v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V7.5a4 4 0 0 1 8 0v3",
  home: "M4 11.5L12 4l8 7.5M6 10v9.5h12V10M10 19.5V14h4v5.5",
  path: "M5 12h14M15.5 8.5L19 12l-3.5 3.5M8.5 8.5L5 12l3.5 3.5",
  missed: "M5 8l7 7 7-7M5 8v5M5 8h5",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5a6.5 6.5 0 0 1 13 0M15.5 4.8a3.5 3.5 0 0 1 0 6.4M17.5 14a6.5 6.5 0 0 1 4 5.5",
  add: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5a6.5 6.5 0 0 1 13 0M19 7.5v6M16 10.5h6",
  chat: "M5 4.5h14a1.5 1.5 0 0 1 1.5 1.5v9.5A1.5 1.5 0 0 1 19 17h-7.5L7 20.5V17H5a1.5 1.5 0 0 1-1.5-1.5V6A1.5 1.5 0 0 1 5 4.5zM8 9h8M8 12.5h5",
  hand: "M8 12.5V6.2a1.4 1.4 0 0 1 2.8 0M10.8 11V4.6a1.4 1.4 0 0 1 2.8 0V11M13.6 11V5.8a1.4 1.4 0 0 1 2.8 0v8.7a6 6 0 0 1-6 6c-2.4 0-3.9-1-5.2-3.2l-2-3.7a1.4 1.4 0 0 1 2.3-1.6L8 14.5v-2",
  smile: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM8.5 14a4 4 0 0 0 7 0M9 9.5v.4M15 9.5v.4",
  link: "M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1-1",
  grid: "M4 4.5h6.5v6.5H4zM13.5 4.5H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z",
  speaker: "M3.5 4.5h17v9.5h-17zM3.5 17h5v3.5h-5zM11 17h5v3.5h-5zM18.5 17h2v3.5h-2",
  pin: "M9 3.5h6l-.8 6.5 3.3 3.5H6.5L9.8 10zM12 13.5v7",
  full: "M4 9V4.5h4.5M15.5 4.5H20V9M20 15v4.5h-4.5M8.5 19.5H4V15",
  pip: "M4 5h16a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1zM12 12h6.5v4.5H12z",
  weak: "M4 20v-3M9 20v-7M14 20V9M19 20V4M3 4l6 6M9 4l-6 6",
  unlock: "M6.5 10.5h11A1.5 1.5 0 0 1 19 12v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19v-7a1.5 1.5 0 0 1 1.5-1.5zM8 10.5V7.5a4 4 0 0 1 7.6-1.7",
  send: "M4 12l16-7.5-5 15-3.5-6zM11.5 13.5L20 4.5",
  info: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.8v.1",
};

export const byId = (id) => document.getElementById(id);

/** An element with properties, attributes (`data-…`, `aria-…`), a class and children. */
export function make(tag, { className, text, ...rest } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(rest)) {
    if (key in element && !key.includes("-")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon-svg");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  if (name === "hangup") path.setAttribute("class", "filled");
  svg.append(path);
  svg.dataset.name = name;
  return svg;
}

/** Shows `name` as the element's icon, in front of what else is in it. */
export function setIcon(element, name) {
  const now = element.querySelector(":scope > .icon-svg");
  if (now?.dataset.name === name) return;
  now?.remove();
  element.prepend(icon(name));
}

/** Name for screen readers and for the pointer's tip. */
export function setLabel(element, label, shortcut) {
  if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
  const title = shortcut ? `${label} (${shortcut})` : label;
  if (element.title !== title) element.title = title;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** Two letters that stand for a person, or one where the script writes words without spaces. */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return letters.map((word) => [...word][0] ?? "").join("").toLocaleUpperCase();
}

export function avatar(name) {
  let hash = 7;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  return make("span", { className: `avatar hue-${hash % 8}`, text: initials(name), "aria-hidden": "true" });
}

/** Seconds as 0:07, 12:40 or 1:02:03. */
export function clock(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${String(s).padStart(2, "0")}` : `${m}:${String(s).padStart(2, "0")}`;
}
