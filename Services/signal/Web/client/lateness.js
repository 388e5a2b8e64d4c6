const BUSY_MS = 80;
/** A page that was hidden, or a machine that slept, is not busy for it. */
const LATEST_MS = 600;

/** How late a timer comes, on average over the last second or two: by that a page knows that it gets too little of a processor. */
export class Lateness {
  isBusy = false;
  #average = 0;
  #at = null;
  #every;

  /** For a timer that should come each `every` milliseconds. */
  constructor(every) {
    this.#every = every;
  }

  /** The timer came. Returns whether `isBusy` changed. A hidden page's timers are late by the browser's will. */
  note(now) {
    const late = this.#at === null || document.hidden ? 0 : Math.min(Math.max(now - this.#at - this.#every, 0), LATEST_MS);
    this.#at = now;
    this.#average += (late - this.#average) / 10;
    const before = this.isBusy;
    this.isBusy = this.#average > (before ? BUSY_MS / 3 : BUSY_MS);
    return before !== this.isBusy;
  }

  reset() {
    this.isBusy = false;
    this.#average = 0;
    this.#at = null;
  }
}
