/** A picture or a sound that goes on while its stream is exchanged for another one. */

/** A stream that shows nothing for so long takes its place all the same. */
const SWAP_LIMIT_MS = 3_000;
/** From the first decoded frame to one on the screen; where nothing is painted (a hidden page), none comes. */
const PAINT_LIMIT_MS = 500;

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
