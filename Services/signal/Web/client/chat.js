/** Lines kept by a page; the node keeps as many for those who come late. */
const LINE_LIMIT = 200;

/** Two lives of a room may give one number to two lines, of different members. One without a number is not said yet. */
const lineKey = ({ n, from }) => (n === undefined ? null : `${n} ${from}`);

/** A chat line as any client may have sent it; null if it says nothing. */
export function chatText(body) {
  const text = typeof body === "string" ? body : body?.text;
  return typeof text === "string" && text.trim() !== "" ? text.slice(0, 4_000) : null;
}

/** What was said in a room, the oldest first: {n, at, from, name, text, unsent}. */
export class Chat {
  /** A new array after each change. */
  lines = [];

  clear(lines = []) {
    this.lines = lines;
  }

  add(line) {
    this.lines = [...this.lines, line].slice(-LINE_LIMIT);
  }

  /** The node took a line of this page, as number `n`. */
  taken(line, n) {
    line.n = n;
    // The room was told anew meanwhile, with this line.
    this.lines = this.lines.filter((each) => each === line || lineKey(each) !== lineKey(line));
  }

  refused(line) {
    this.lines = this.lines.map((each) => (each === line ? { ...line, unsent: true } : each));
  }

  /** What the room remembers of what was said, and beside it what only this page knows: lines on their way, or that were not sent. */
  takeHistory(list = []) {
    const known = new Map(this.lines.map((each) => [lineKey(each), each]));
    const said = list
      .map((each) => known.get(lineKey(each)) ?? { n: each.n, at: each.at, from: each.from, name: each.name, text: chatText(each.body) })
      .filter(({ text }) => text !== null);
    const rest = this.lines.filter((each) => !said.includes(each));
    const order = ({ n }) => n ?? Number.MAX_SAFE_INTEGER;
    this.lines = [...said, ...rest].sort((a, b) => order(a) - order(b)).slice(-LINE_LIMIT);
  }

  /** For the next life of this page: what had no answer yet cannot get one any more. */
  get snapshot() {
    return this.lines.map((each) => (each.n === undefined ? { ...each, unsent: true } : each));
  }
}
