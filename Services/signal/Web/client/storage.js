/** What a tab, and a browser, keep of this client. */

/** Storage that may be forbidden (private windows, strict settings): then things live as long as the page. */
function storage(kind) {
  const memory = new Map();
  const real = () => {
    try {
      return globalThis[kind];
    } catch {
      return null;
    }
  };
  const attempt = (action, otherwise) => {
    try {
      return action(real());
    } catch {
      return otherwise();
    }
  };
  return {
    get: (key) => attempt((store) => store.getItem(key), () => memory.get(key) ?? null),
    set: (key, value) => attempt((store) => store.setItem(key, value), () => void memory.set(key, value)),
    remove: (key) => attempt((store) => store.removeItem(key), () => void memory.delete(key)),
  };
}

export const local = storage("localStorage");
export const session = storage("sessionStorage");

/** What `text` says as JSON; `otherwise` where it says nothing. */
export function parsed(text, otherwise) {
  try {
    return JSON.parse(text) ?? otherwise;
  } catch {
    return otherwise;
  }
}
