/** The way into a room from outside of it: a field for its name, and the address that comes of it. */

import { isRoomName } from "../roost.js";
import { setText } from "./dom.js";
import { words } from "./words.js";

/** Nothing that reads as something else, and no room that a stranger guesses. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789";

/** Words become a name that an address can carry; no word, and a name is made up. */
function nameOf(text) {
  const name = text.trim().replace(/\s+/g, "-");
  return name || `room-${Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => LETTERS[byte % LETTERS.length]).join("")}`;
}

/** The room that an address means: its `name`, or null where no room can be called so, and then a name like it in `like`. */
export function roomAt(path) {
  const part = path.split("/")[2] ?? "";
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // A lone "%": read as it stands.
  }
  if (isRoomName(text)) return { name: text, like: text };
  return { name: null, like: text.trim().replace(/\s+/g, "-").replace(/[^A-Za-z0-9_.-]/g, "").replace(/\.\.+/g, ".").slice(0, 64) };
}

/** Makes a form open the room that its field names. `query` says what goes along in the address. */
export function openRooms({ form, input, problem, query = () => "" }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = nameOf(input.value);
    const isGood = isRoomName(name);
    setText(problem, isGood ? "" : words.openRoom.bad);
    input.setAttribute("aria-invalid", String(!isGood));
    if (!isGood) return input.focus();
    return location.assign(`/room/${name}${query()}`);
  });
}
