/** What went wrong, as a code to act on (`name-taken`, `busy-self`, …) and signal's sentence for people. */
export class RoostError extends Error {
  constructor(code, message = code, details = {}) {
    super(message);
    this.name = "RoostError";
    this.code = code;
    Object.assign(this, details);
  }
}
