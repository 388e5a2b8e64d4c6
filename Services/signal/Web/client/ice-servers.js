/** Servers asked for within this time are fresh: another ICE restart need not ask again. */
const FRESH_MS = 5_000;
/** After fresh servers were refused (no registry answers). */
const RETRY_S = 30;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/i;

/** The STUN and TURN servers of a session, with credentials that last some time: others are asked for at half of it, so that a call never begins with spent ones. */
export class ICEServers {
  #servers = [];
  #takenAt = 0;
  #timer = null;
  #ask;
  #isWanted;

  /** `ask` resolves to signal's answer; `isWanted` says whether to ask on after it was refused. */
  constructor({ ask, isWanted }) {
    this.#ask = ask;
    this.#isWanted = isWanted;
  }

  get list() {
    return this.#servers;
  }

  /** An ICE restart had better ask for others first. */
  get isStale() {
    return this.#timer !== null && Date.now() - this.#takenAt > FRESH_MS;
  }

  /** What signal says of servers, in whichever answer. */
  take({ iceServers, iceSeconds }) {
    if (!iceServers) return;
    if (iceSeconds === 0) {
      // No registry answered: what there is goes on, and is asked for again.
      this.#renewIn(RETRY_S);
      if (this.#servers.length > 0) return;
    } else {
      this.#renewIn(iceSeconds / 2);
    }
    this.#servers = iceServers;
    this.#takenAt = Date.now();
  }

  async renew() {
    this.#takenAt = Date.now();
    try {
      this.take(await this.#ask());
    } catch {
      if (this.#isWanted()) this.#renewIn(RETRY_S);
    }
  }

  stop() {
    this.#renewIn(0);
  }

  #renewIn(seconds) {
    clearTimeout(this.#timer);
    // A timer holds 24 days at most; a day is soon enough for what lasts longer.
    this.#timer = seconds > 0 ? setTimeout(() => this.renew(), Math.min(seconds, 86_400) * 1_000) : null;
  }
}

/** A server's loopback addresses are for pages on that same machine; to others they are only something to wait for. */
export function reachableFrom(url, servers) {
  if (LOOPBACK.test(new URL(url).hostname)) return servers;
  return servers
    .map((server) => ({ ...server, urls: [server.urls].flat().filter((each) => !LOOPBACK.test(each.replace(/^\w+:|(:\d+)?(\?.*)?$/g, ""))) }))
    .filter(({ urls }) => urls.length > 0);
}
