/** A picture or a sound that goes on while its stream is exchanged for another one. */

/** A stream that shows nothing for so long takes its place all the same. */
const SWAP_LIMIT_MS = 3_000;
/** From the first decoded frame to one on the screen; where nothing is painted (a hidden page), none comes. */
const PAINT_LIMIT_MS = 500;
/** A sound that the browser refuses is asked for again after so long. */
const REFUSED_MS = 1_000;

export class Player {
  /** The element that plays: another one after each exchange. */
  element;

  #coming = null;
  #speaker = "";

  constructor(element) {
    this.element = element;
  }

  /**
   * Gives the element its stream. Where it has one already (a call goes over to a node, or back), the new one plays beside it
   * first, unseen and unheard, and takes its place once it has something to show: an element with a new stream is black for a
   * moment. A picture does so beneath the old one, for an element outside of the page paints nothing, and begins with that too late.
   */
  play(stream, { atOnce = false } = {}) {
    const old = this.element;
    if ((this.#coming ?? old).srcObject === stream) return;
    this.#drop();
    if (old.srcObject === stream) return;
    // In a small window of its own an element cannot be exchanged: the window would close.
    if (!stream || !old.srcObject || atOnce || document.pictureInPictureElement === old) {
      old.srcObject = stream;
      return;
    }
    const isVideo = old.tagName === "VIDEO";
    const next = old.cloneNode();
    this.#coming = next;
    next.muted = true;
    next.srcObject = stream;
    this.#route(next);
    const take = () => {
      if (this.#coming !== next) return;
      this.#coming = null;
      this.element = next;
      if (isVideo && next.parentNode) old.remove();
      else old.replaceWith(next);
      next.muted = isVideo;
      old.srcObject = null;
    };
    const painted = () => {
      if (!next.requestVideoFrameCallback || !next.parentNode) return take();
      next.requestVideoFrameCallback(take);
      setTimeout(take, PAINT_LIMIT_MS);
      return undefined;
    };
    next.addEventListener(isVideo ? "loadeddata" : "playing", isVideo ? painted : take, { once: true });
    if (isVideo) old.before(next);
    next.play().catch(() => {});
    setTimeout(take, SWAP_LIMIT_MS);
  }

  /** Sound goes to this speaker, where the browser lets a page choose. */
  useSpeaker(id = "") {
    if (this.#speaker === id) return;
    this.#speaker = id;
    for (const each of [this.element, this.#coming]) if (each) this.#route(each);
  }

  close() {
    this.#drop();
    this.element.srcObject = null;
  }

  #drop() {
    if (this.#coming) this.#coming.srcObject = null;
    this.#coming?.remove();
    this.#coming = null;
  }

  #route(element) {
    if (element.setSinkId && element.sinkId !== this.#speaker) element.setSinkId(this.#speaker).catch(() => {});
  }
}

/**
 * Somebody's sound. A browser may refuse it on a page that nobody touched yet; then the page shows a button for the touch. One that
 * gave the page a microphone or a camera refuses no more, but not from the moment on at which it gave it: so it is asked again and again.
 */
export class Sound extends Player {
  /** Whether the browser refuses to play it. */
  blocked = false;

  #changed;
  #retry = null;

  /** `changed` is called when the browser refuses, and when it no longer does. */
  constructor(element, changed) {
    super(element);
    this.#changed = changed;
  }

  /** Plays the stream, also where something keeps the element from it. */
  listen(stream) {
    this.play(stream);
    if (stream && this.element.paused && !this.blocked) this.hear();
  }

  /** Asks the browser; after a touch it says yes. */
  hear() {
    clearTimeout(this.#retry);
    this.#retry = null;
    this.element.play().then(
      () => this.#setBlocked(false),
      ({ name }) => {
        // Any other error is a stream's that was exchanged meanwhile.
        if (this.#changed === null || (name !== "NotAllowedError" && !this.blocked)) return;
        this.#retry ??= setTimeout(() => this.hear(), REFUSED_MS);
        this.#setBlocked(true);
      },
    );
  }

  close() {
    clearTimeout(this.#retry);
    this.#changed = null;
    super.close();
  }

  #setBlocked(blocked) {
    if (this.blocked === blocked) return;
    this.blocked = blocked;
    this.#changed?.();
  }
}
