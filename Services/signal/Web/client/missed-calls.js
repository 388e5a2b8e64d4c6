import { parsed, session } from "./storage.js";

const MISSED_KEY = "roost.missed";
/** As many as a person looks through. */
const MISSED_LIMIT = 20;
/** How a ring ends that the person had no part in. */
const MISSED_REASONS = ["no-answer", "cancelled", "caller-gone", "busy", "ended"];

/** Whether a ring that ended so counts as missed. */
export const isMissed = (reason) => MISSED_REASONS.includes(reason);

/** Calls that nobody answered here, the latest first: {room, person, name, video, at, reason}. Kept as long as the tab, so that a reload does not lose them. */
export class MissedCalls {
  /** A new array after each change. */
  list = [];
  #person = null;

  /** Takes up what this tab kept for the person who signed in. */
  restore(person) {
    this.#person = person;
    const kept = parsed(session.get(MISSED_KEY), null);
    this.list = kept?.person === person ? kept.list : [];
  }

  has(room) {
    return this.list.some((each) => each.room === room);
  }

  add(call) {
    this.#set([call, ...this.list.filter((each) => each.room !== call.room)].slice(0, MISSED_LIMIT));
  }

  /** Takes calls off the list: that of one room, those of one person, or all. */
  forget(which = {}) {
    this.#set(this.list.filter((each) => Object.keys(which).some((key) => each[key] !== which[key])));
  }

  #set(list) {
    this.list = list;
    if (list.length > 0) session.set(MISSED_KEY, JSON.stringify({ person: this.#person, list }));
    else session.remove(MISSED_KEY);
  }
}
