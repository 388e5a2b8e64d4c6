/** A way to a TURN server, or null. */
export const transportName = (text) => (["udp", "tcp", "tls"].includes(text) ? text : null);

/**
 * How this browser reaches the TURN server of a relay candidate of its own: "udp", "tcp", "tls", or null. The candidate says it
 * in Chromium (not for UDP), the statistics in Chromium and Firefox.
 */
export async function relayProtocolOf(pc, { address, port, relayProtocol }) {
  if (transportName(relayProtocol)) return relayProtocol;
  // Firefox tells of a candidate before its statistics know it, by some milliseconds.
  for (let tries = 0; tries < 5; tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    try {
      for (const entry of (await pc.getStats()).values()) {
        if (entry.type === "local-candidate" && entry.address === address && entry.port === port) return transportName(entry.relayProtocol);
      }
    } catch {
      // A connection that was closed meanwhile has no statistics.
      return null;
    }
  }
  return null;
}
