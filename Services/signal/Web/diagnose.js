/**
 * Tries the ways out of a network, as a call would: all servers together (the rows of the table), and each URL alone, since
 * browsers keep one candidate of those that look alike and then do not say which servers were fine. No element is touched here.
 *
 * Reading order: `diagnose`, gathering, one server, which NAT, the verdict, its words. Types: roost.d.ts.
 */

import { relayProtocolOf } from "./client/relay-protocol.js";

/** Firefox gives a silent server up after 11 s and says so, Chromium after 40 s; nobody waits that long in a call. */
const LIMIT_MS = 12_000;
/** A Roost gives a dozen URLs at most; a pasted list is cut here, for each URL takes sockets of its own. */
const URL_LIMIT = 24;
/** The browser's own code for a server that it did not reach (W3C webrtc-pc §4.8.2). */
const UNREACHABLE = 701;
const TRANSPORTS = ["udp", "tcp", "tls"];

/** Gathers once with all servers and once with each; resolves to `{rows, errors, gathering, verdict}`. */
export async function diagnose({
  iceServers = [],
  iceTransportPolicy = "all",
  iceCandidatePoolSize = 0,
  limitMs = LIMIT_MS,
  signal,
  onRow,
  onError,
  onServer,
  onComplete,
  words,
} = {}) {
  const texts = words ?? (await loadWords());
  const servers = eachUrl(iceServers).slice(0, URL_LIMIT);
  const usable = servers.filter((server) => problemOf(server) === null);
  const rows = [];
  const errors = [];
  const note = (error) => {
    errors.push(error);
    onError?.(error);
  };
  const together = gather({
    configuration: { iceServers: usable.map(asIceServer), iceTransportPolicy, iceCandidatePoolSize },
    limitMs,
    signal,
    onRow: (row) => {
      row.url ??= onlyUrlFor(row, usable);
      rows.push(row);
      onRow?.(row);
    },
    onError: (error) => note(error),
  }).then((gathering) => {
    onComplete?.(gathering);
    return gathering;
  });
  const alone = servers.map(async (server) => {
    const { result, errors: own } = await probe(server, { limitMs, signal });
    onServer?.(result);
    return { result, own };
  });
  const [gathering, ...tried] = await Promise.all([together, ...alone]);
  const results = tried.map(({ result }) => result);
  // With one silent server among them, Chromium keeps the errors of the others to itself for as long as we wait.
  const told = new Set(errors.map(nameOfError));
  for (const error of tried.flatMap(({ own }) => own)) if (!told.has(nameOfError(error))) note(error);
  return { rows, errors, gathering, verdict: verdictOf({ rows, results, iceTransportPolicy, gathering }, texts) };
}

/** Firefox leaves out the transport where it is UDP, which is what its absence means. */
const nameOfError = ({ url, code }) => `${url.replace(/\?transport=udp$/, "")} ${code}`;

// ---------------------------------------------------------------- servers

/** One entry for each URL, with what the URL says of itself. */
export function eachUrl(iceServers) {
  return iceServers.flatMap(({ urls, username, credential }) =>
    [urls].flat().map((url) => ({ url: String(url).trim(), ...describeUrl(String(url).trim()), username, credential })),
  );
}

/** What a STUN or TURN URL means (RFC 7064, RFC 7065), or null if it is none. */
export function describeUrl(url) {
  const match = /^(stuns?|turns?):(\[[0-9a-f:.%]+\]|[^:?[\]\s/@]+)(?::(\d{1,5}))?(?:\?transport=(udp|tcp))?$/i.exec(url);
  if (!match || Number(match[3] ?? 1) < 1 || Number(match[3] ?? 1) > 65535) return { kind: null, transport: null, host: null };
  const scheme = match[1].toLowerCase();
  const kind = scheme.slice(0, 4);
  // Browsers have no DTLS towards TURN servers, and no STUN over TCP: what they do with such a URL is for them to say.
  const transport = scheme.endsWith("s") ? "tls" : (match[4]?.toLowerCase() ?? "udp");
  return { kind, transport, host: match[2].toLowerCase() };
}

const asIceServer = ({ url, kind, username, credential }) => (kind === "turn" ? { urls: url, username, credential } : { urls: url });

function problemOf({ kind, username, credential }) {
  if (kind === null) return "malformed";
  return kind === "turn" && (!username || !credential) ? "no-credentials" : null;
}

/** Firefox does not say which server a candidate is from: it is told where only one can be it. */
function onlyUrlFor({ type, relayProtocol }, servers) {
  const fits =
    type === "relay"
      ? servers.filter((server) => server.kind === "turn" && (!relayProtocol || server.transport === relayProtocol))
      : type === "srflx"
        ? servers.filter((server) => server.transport === "udp")
        : [];
  return fits.length === 1 ? fits[0].url : null;
}

// ---------------------------------------------------------------- gathering

/** Gathers until the browser says that it is done, the time is over, or `enough` says so of a row. */
function gather({ configuration, limitMs, signal, onRow, onError, enough = () => false }) {
  const began = performance.now();
  const since = () => Math.round(performance.now() - began);
  return new Promise((resolve) => {
    let pc;
    try {
      pc = new RTCPeerConnection(configuration);
    } catch (error) {
      resolve({ state: "refused", ms: since(), text: error.message });
      return;
    }
    let pending = Promise.resolve();
    let timer = null;
    const end = (state) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      pc.onicecandidate = pc.onicecandidateerror = pc.onicegatheringstatechange = null;
      const ms = since();
      pending.then(() => {
        pc.close();
        resolve({ state, ms });
      });
    };
    const abort = () => end("aborted");
    pc.onicecandidate = ({ candidate, url }) => {
      // Firefox ends each component with an empty candidate before it ends all with none.
      if (!candidate || candidate.candidate === "") return;
      const row = rowOf(candidate, url, since());
      pending = pending.then(async () => {
        if (row.type === "relay") row.relayProtocol = await relayProtocolOf(pc, row);
        onRow?.(row);
      });
      if (enough(row)) end("complete");
    };
    pc.onicecandidateerror = ({ errorCode, errorText, url, address, port }) => {
      onError?.({ time: since(), code: errorCode, text: errorText ?? "", url: url ?? "", address: address ?? null, port: port ?? null });
    };
    pc.onicegatheringstatechange = () => {
      // A moment's grace: Firefox tells the last candidate's error and the end in either order.
      if (pc.iceGatheringState === "complete") setTimeout(() => end("complete"), 20);
    };
    timer = setTimeout(() => end("timed-out"), limitMs);
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort);
    pc.createDataChannel("roost");
    pc.setLocalDescription().catch(() => end("refused"));
  });
}

function rowOf(candidate, url, time) {
  const { component, type, foundation, protocol, address, port, priority, relatedAddress, relatedPort, tcpType } = candidate;
  return {
    time,
    component: component ?? null,
    type: type ?? null,
    foundation: foundation ?? null,
    protocol: protocol ?? null,
    address: address ?? null,
    port: port ?? null,
    priority,
    // RFC 8445 §5.1.2.1: 2^24 × type preference + 2^8 × local preference + (256 − component).
    preferences: { type: priority >>> 24, local: (priority >>> 8) & 0xffff, component: 256 - (priority & 0xff) },
    url: candidate.url || url || null,
    relayProtocol: TRANSPORTS.includes(candidate.relayProtocol) ? candidate.relayProtocol : null,
    relatedAddress: relatedAddress || null,
    relatedPort: relatedPort || null,
    tcpType: tcpType || null,
    candidate: candidate.candidate,
  };
}

// ---------------------------------------------------------------- one server

/** Tries one URL by itself; resolves to its result, and the errors that came. */
async function probe(server, { limitMs, signal }) {
  const began = performance.now();
  const rows = [];
  const errors = [];
  const { reason, error } = await outcome();
  const { url, kind, transport } = server;
  const result = {
    url,
    kind: kind ?? (url.startsWith("turn") ? "turn" : "stun"),
    transport: transport ?? "udp",
    ok: reason === "works" || reason === "same-address",
    reason,
    code: error?.code ?? null,
    text: error?.text ?? null,
    ms: Math.round(performance.now() - began),
  };
  return { result, errors };

  async function outcome() {
    const problem = problemOf(server);
    if (problem) return { reason: problem };
    const isTurn = server.kind === "turn";
    const wanted = isTurn ? "relay" : "srflx";
    const { state, text } = await gather({
      configuration: { iceServers: [asIceServer(server)], iceTransportPolicy: isTurn ? "relay" : "all" },
      limitMs,
      signal,
      onRow: (row) => rows.push(row),
      onError: (error) => errors.push(error),
      enough: (row) => row.type === wanted,
    });
    if (rows.some((row) => row.type === wanted)) return { reason: "works" };
    if (state === "refused") return { reason: "malformed", error: { code: null, text } };
    if (state === "aborted") return { reason: "aborted" };
    if (!isTurn && state === "complete" && isSilentSuccess(server, rows, errors)) return { reason: "same-address" };
    const error = errors.find(({ code }) => code !== UNREACHABLE) ?? errors[0];
    // Firefox (ESR 153) leaves out TLS to an address, without a word: a certificate is for a name.
    if (!error) return { reason: state === "timed-out" ? "no-answer" : server.transport === "tls" && isAddress(server.host) ? "needs-name" : "not-tried" };
    if (error.code !== UNREACHABLE) return { reason: error.code === 401 ? "credentials" : "refused", error };
    return { reason: /lookup/i.test(error.text) ? "not-found" : "unreachable", error };
  }
}

const isAddress = (host) => host.startsWith("[") || /^[\d.]+$/.test(host);

/** Chromium tells no candidate when STUN says what the host knew; then some socket of the server's family has no error. */
function isSilentSuccess({ host }, rows, errors) {
  const failed = new Set(errors.map((error) => error.port));
  // Firefox has one error for the server, not one for each socket.
  if (failed.has(null)) return false;
  const isV6 = host.startsWith("[");
  return rows.some((row) => row.type === "host" && row.protocol === "udp" && row.address?.includes(":") === isV6 && !failed.has(row.port));
}

// ---------------------------------------------------------------- which NAT

/** One name for all candidates of one local socket. */
function baseOf({ candidate, relatedAddress, relatedPort, preferences }) {
  // Chromium numbers networks, and has a socket for each.
  const network = / network-id (\d+)/.exec(candidate)?.[1];
  if (network) return `network ${network}`;
  if (relatedAddress && relatedAddress !== "0.0.0.0" && relatedAddress !== "::") return `${relatedAddress} ${relatedPort}`;
  // Where the base is hidden: the upper half of the local preference is the interface's, here and in the host candidate.
  return `preference ${preferences.local >>> 8}`;
}

/** What the mapped addresses say about the NAT in between (RFC 5780 §4.3, without its attributes: by different servers). */
export function natOf(rows, results) {
  const udp = rows.filter((row) => row.protocol === "udp");
  const hosts = udp.filter((row) => row.type === "host");
  const mapped = udp.filter((row) => row.type === "srflx").map((row) => ({ base: baseOf(row), address: row.address, port: row.port }));
  const works = results.filter((result) => result.ok && result.transport === "udp");
  if (mapped.length === 0) return works.some((result) => result.reason === "same-address") ? "none" : "unknown";
  // A relay candidate's related address is what its TURN server saw (RFC 8445 §5.1.1.2); Firefox puts the relay's own there.
  for (const row of udp) {
    const isMapping = row.type === "relay" && row.relayProtocol === "udp" && row.relatedPort > 1 && row.relatedPort !== row.port;
    if (isMapping && mapped.some((each) => each.address === row.relatedAddress)) {
      mapped.push({ base: baseOf(row), address: row.relatedAddress, port: row.relatedPort });
    }
  }
  const seen = new Map();
  for (const { base, address, port } of mapped) seen.set(base, (seen.get(base) ?? new Set()).add(`${address} ${port}`));
  if ([...seen.values()].some((addresses) => addresses.size > 1)) return "symmetric";
  if (mapped.every(({ address, port }) => hosts.some((host) => host.address === address && host.port === port))) return "none";
  const servers = new Set(works.filter((result) => result.kind === "stun").map((result) => describeUrl(result.url).host));
  const keepsPorts = mapped.every(({ port }) => hosts.some((host) => host.port === port));
  // The same port on both sides, and an address that the page may not see: nothing was changed, or only the address.
  if (keepsPorts && hosts.some((host) => host.address?.endsWith(".local"))) return "open";
  return servers.size > 1 || keepsPorts ? "independent" : "one-server";
}

// ---------------------------------------------------------------- the verdict

const outcomeOf = (results) => (results.length === 0 ? "untried" : results.some((result) => result.ok) ? "works" : "fails");

function verdictOf({ rows, results, iceTransportPolicy, gathering }, words) {
  const turnBy = (transport) => results.filter((result) => result.kind === "turn" && result.transport === transport);
  const stun = outcomeOf(results.filter((result) => result.kind === "stun"));
  const turn = Object.fromEntries(TRANSPORTS.map((transport) => [transport, outcomeOf(turnBy(transport))]));
  const nat = iceTransportPolicy === "relay" ? "unknown" : natOf(rows, results);
  const facts = { stun, turn, nat, servers: results };
  const sentences = [adviceOf(facts, rows, gathering), ...factSentences(facts, iceTransportPolicy)].map(([code, tone, ...rest]) => ({
    code,
    tone,
    text: typeof words.says[code] === "function" ? words.says[code](...rest) : words.says[code],
  }));
  return { ...facts, codes: sentences.map(({ code }) => code), sentences, text: sentences.map(({ text }) => text).join(" ") };
}

/** What it means for calls and what to do, in one sentence: the first that applies. */
function adviceOf({ stun, turn, nat, servers }, rows, gathering) {
  const outcomes = Object.values(turn);
  const relays = outcomes.includes("works");
  const triedTurn = outcomes.some((outcome) => outcome !== "untried");
  if (gathering.state === "aborted") return ["advice-aborted", "info"];
  if (servers.length === 0) return ["advice-no-servers", "warn"];
  if (rows.length === 0 && !relays && stun !== "works") {
    const credentials = servers.some((server) => server.reason === "credentials");
    if (!credentials) return ["advice-nothing", "bad"];
  }
  if (!relays && servers.some((server) => ["credentials", "no-credentials"].includes(server.reason))) return ["advice-credentials", "bad"];
  if (stun === "fails" && triedTurn && !relays) return ["advice-all-blocked", "bad"];
  if (relays && turn.udp !== "works" && stun !== "works") return ["advice-udp-blocked", "warn"];
  if (relays && nat === "symmetric") return ["advice-relayed", "good"];
  if (relays) return ["advice-ready", "good"];
  if (nat === "symmetric") return ["advice-needs-turn", "bad"];
  if (triedTurn) return ["advice-turn-down", "warn"];
  return stun === "works" ? ["advice-add-turn", "warn"] : ["advice-stun-down", "bad"];
}

function factSentences({ stun, turn, nat, servers }, iceTransportPolicy) {
  const tone = { works: "good", fails: "bad", untried: "info" };
  const list = [[`stun-${stun}`, tone[stun]]];
  for (const transport of TRANSPORTS) list.push([`turn-${transport}-${turn[transport]}`, tone[turn[transport]]]);
  const credentials = servers.filter((server) => server.reason === "credentials").map((server) => describeUrl(server.url).host);
  if (credentials.length > 0) list.push(["credentials-refused", "bad", [...new Set(credentials)]]);
  const natTone = { none: "good", open: "good", independent: "good", symmetric: "warn", "one-server": "info", unknown: "info" };
  list.push([iceTransportPolicy === "relay" ? "nat-not-looked" : `nat-${nat}`, natTone[nat]]);
  return list;
}

async function loadWords() {
  const isChinese = globalThis.document?.documentElement.lang.startsWith("zh");
  return (await (isChinese ? import("./texts/zh.js") : import("./texts/en.js"))).default.diagnostics;
}
