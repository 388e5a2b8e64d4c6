/** Types of roost.js. */

/** What went wrong, as a code to act on. */
export class RoostError extends Error {
  /**
   * From signal: `name-taken`, `name-invalid`, `version`, `unavailable`, `not-found`, `self`, `busy-self`, `gone`, …
   * In rooms: `bad-room`, `bad-topology`, `locked`, `removed`, `not-allowed`, `too-many`, `mesh-full`.
   * From here: `signed-out`, `session-lost`, `timeout`, `no-ring`, `no-call`, `screen-unsupported`, `screen-refused`, `screen-failed`.
   */
  readonly code: string;
  /** With `name-taken`: a name that is free. */
  readonly suggestion?: string;
}

export interface RoostOptions {
  /** The socket; the page's own host by default. */
  url?: string;
  /** "relay" uses relayed paths only. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Leaves out, or changes, servers that signal gave; asked each time that a connection is made. */
  filterIceServers?: (servers: RTCIceServer[]) => RTCIceServer[];
}

export interface Person {
  person: string;
  name: string;
  busy: boolean;
}

export interface MediaFlags {
  audio: boolean;
  video: boolean;
  screen: boolean;
}

export type CallState = "calling" | "ringing" | "connecting" | "connected";
export type Path = "direct" | "relayed";
/** How a browser reaches its TURN server. */
export type RelayProtocol = "udp" | "tcp" | "tls";
/** Whose TURN server media goes through: one's own, the other's, or both. `protocol` is null where the browser does not say. */
export interface Relay {
  here: { protocol: RelayProtocol | null; url: string | null } | null;
  there: { protocol: RelayProtocol | null } | null;
}
export type PeerState = "new" | "connecting" | "connected" | "reconnecting" | "failed";

export interface Call {
  room: string;
  direction: "out" | "in";
  peer: { person: string | null; name: string };
  /** Whether it was meant with pictures by who called. */
  video: boolean;
  state: CallState;
  /** Unix milliseconds. */
  since: number;
  connectedAt: number | null;
}

/** A call that nobody answered here. */
export interface MissedCall {
  room: string;
  person: string | null;
  name: string;
  video: boolean;
  /** Unix milliseconds. */
  at: number;
  /** `busy`: there was another call. */
  reason: "no-answer" | "cancelled" | "caller-gone" | "busy" | "ended";
}

export type PauseReason = "bandwidth" | "hidden";
/** `sfu`: a node forwards. `mesh`: straight between up to six. `auto`: straight between two, by a node from three on. */
export type Topology = "auto" | "mesh" | "sfu";

/** The room that this page is in, or enters. */
export interface Entered {
  room: string;
  state: "entering" | "in";
  topology: Topology;
  /** Unix milliseconds. */
  since: number;
}

export interface ChatLine {
  /** Unix milliseconds. */
  at: number;
  from: string;
  name: string;
  text: string;
  /** Its number in the room, once it is said. */
  n?: number;
  /** It is one's own, and could not be sent. */
  unsent?: boolean;
}

/** Why a room was left: `left`, `removed`, `locked`, `ended`, `session-lost`, or the code of a refusal. */
export interface RoomLeft {
  room: string;
  reason: string;
  by: "me" | null;
  seconds: number;
}

/** What a page shows of a member, in device pixels. */
export interface ViewedTile {
  member: string;
  source: "camera" | "screen";
  width: number;
  height: number;
}

/** A host is a speaker who moderates; a listener sends nothing. */
export type Role = "host" | "speaker" | "listener";

export interface Member {
  member: string;
  person: string;
  name: string;
  role: Role;
  media: MediaFlags;
  /** Its signaling is gone for the moment; media may well go on. */
  away: boolean;
  joined: number;
  state: PeerState;
  stream: MediaStream | null;
  /** What it shares in a room through a node, beside its camera. */
  screenStream: MediaStream | null;
  /** Its media comes from it, not through a node: there is one picture then, and a shared screen is in `stream`, in the camera's place. */
  straight: boolean;
  hand: boolean;
  /** In a room on a node: its picture is not forwarded now, and why; which of its layers is. */
  paused: boolean;
  pausedReason: PauseReason | null;
  rid: string | null;
  /** Loudness in the last second and a half, 0 to 1. */
  level: number;
  statistics: LinkStatistics | null;
}

export interface TrackStatistics {
  codec: string | null;
  packets: number;
  lost: number;
  bytes: number;
  /** Share lost since the sample before, 0 to 1. */
  loss: number;
  bps: number;
  flowing?: boolean;
}

export interface VideoStatistics extends TrackStatistics {
  width: number;
  height: number;
  fps: number;
}

export interface LinkStatistics {
  /** `performance.now()` of the sample. */
  at: number;
  path: Path | null;
  protocol: string | null;
  localCandidate: string | null;
  remoteCandidate: string | null;
  relay: Relay;
  rttMs: number | null;
  up: { bytes: number; bps: number };
  down: { bytes: number; bps: number };
  audio: TrackStatistics & { level: number; jitterMs: number };
  video: VideoStatistics & { framesDecoded: number; freezeCount: number };
  sent: { audio: TrackStatistics; video: VideoStatistics & { framesEncoded: number; limitedBy: string | null } };
}

export interface Statistics {
  node: string | null;
  topology: string | null;
  links: (Partial<LinkStatistics> & { member: string; name: string; state: PeerState })[];
  path: Path | null;
  /** Of the first relayed link. */
  relay: Relay;
  rttMs: number | null;
  up: { bps: number };
  down: { bps: number };
  counted: { members: number; links: number; up: number; down: number };
  /**
   * What so many members should have: here, and (`streams`, `roomLinks`) in the whole room. A mesh: n² − n streams over (n² − n) / 2 links.
   * Through a node: n² streams, of them `roomUp` = n up and `roomDown` = n(n − 1) down, over n links.
   */
  theory: { links: number; up: number; down: number; streams: number; roomLinks: number; roomUp?: number; roomDown?: number };
  /** In a room on a node: what this page sends there (with its layers), what the node thinks can come down, and the node's sums if it tells. */
  sent?: Record<"audio" | "video" | "screen", TrackStatistics & { layers?: { rid: string | null; width: number; height: number; bps: number; active: boolean }[] }>;
  estimateBps?: number | null;
  /** Of the way to the node. */
  state?: PeerState;
  totals?: { receivedBps: number[]; sentBps: number[] } | null;
  /** Every member's link to the node, this page's own too, as the node measures it over two seconds; empty in a room of more than 50. Losses are shares, 0 to 1. */
  nodeLinks?: { member: string; name: string; self: boolean; up: { bps: number; loss: number }; down: { bps: number; loss: number }; rttMs: number | null }[];
}

export interface Report {
  name: string | null;
  state: "signed-out" | "signing-in" | "signed-in";
  connection: "closed" | "opening" | "open" | "waiting";
  call: { peer: string; state: CallState; path: Path | null; relay: Relay; room: string } | null;
  room: string | null;
  topology: Topology | null;
  /** People whose media flows, to and from here; what theory says of that, and of the whole room. */
  streams: { up: number; down: number; theory: { up: number; down: number; room: number } };
  /** The others in the room. */
  members: {
    name: string;
    state: PeerState;
    away: boolean;
    media: MediaFlags;
    audio: { packetsReceived: number; level: number };
    video: {
      framesDecoded: number;
      width: number;
      height: number;
      packetsLost: number;
      rid: string | null;
      freezeCount: number;
      paused: boolean;
      reason: PauseReason | null;
    };
  }[];
  up: { bps: number };
  down: { bps: number };
  rttMs: number | null;
  node: string | null;
}

/** Why a call ended. `seconds` is null if it never connected. */
export interface Ended {
  reason: string;
  by: "me" | "them" | null;
  direction: "out" | "in";
  peer: { person: string | null; name: string };
  video: boolean;
  room: string;
  seconds: number | null;
}

export type SourceState = "off" | "opening" | "on" | "muted" | "none" | "refused" | "in-use" | "insecure";

export interface LocalSource {
  wanted: boolean;
  state: SourceState;
  track: MediaStreamTrack | null;
}

export interface DeviceList {
  audioinput: { deviceId: string; label: string }[];
  videoinput: { deviceId: string; label: string }[];
  audiooutput: { deviceId: string; label: string }[];
}

export interface LocalMedia extends EventTarget {
  readonly stream: MediaStream;
  readonly audio: LocalSource;
  readonly video: LocalSource;
  readonly screen: MediaStreamTrack | null;
  readonly screenAudio: MediaStreamTrack | null;
  readonly flags: MediaFlags;
  /** For a listener: nothing is opened. */
  readonly isSilent: boolean;
  readonly devices: DeviceList;
  readonly chosen: Partial<Record<MediaDeviceKind, string>>;
  /** Opens what is not open yet; a microphone `muted`, without a moment of sound. Never throws: each source's `state` says what came of it. */
  open(wanted: { audio?: boolean; video?: boolean; muted?: boolean }): Promise<void>;
  close(): void;
  refreshDevices(): Promise<DeviceList>;
}

export interface RoostEventMap {
  /** Something to be shown has changed; at most once a turn of the event loop. */
  change: Event;
  /** A call is over. */
  ended: CustomEvent<Ended>;
  /** Something worth a word: `called-while-busy`, `added-declined`, `added-busy`, `added-no-answer`, `added-unreachable`, `device-lost`, `cut`, `signed-out`, `media-problem`, `made-listener`, `made-speaker`. */
  notice: CustomEvent<{ notice: string; [detail: string]: unknown }>;
  /** New figures, once a second during a call. */
  statistics: Event;
  /** New loudness of members, several times a second during a call. */
  levels: Event;
  chat: CustomEvent<{ from: string; name?: string; body: unknown }>;
  reaction: CustomEvent<{ from: string; name: string; emoji: string }>;
  /** A room is over for this page, or could not be entered. */
  "room-left": CustomEvent<RoomLeft>;
}

/** How a connection reaches the TURN server of a relay candidate of its own; null where the browser does not say. */
export function relayProtocolOf(
  pc: RTCPeerConnection,
  candidate: { address: string | null; port: number | null; relayProtocol?: string | null },
): Promise<RelayProtocol | null>;

export interface DiagnoseOptions {
  /** This Roost's own by default. */
  iceServers?: RTCIceServer[];
  iceTransportPolicy?: RTCIceTransportPolicy;
  iceCandidatePoolSize?: number;
  /** How long a server may take; 12 s by default. */
  limitMs?: number;
  signal?: AbortSignal;
  /** Called as things happen. */
  onRow?: (row: CandidateRow) => void;
  onError?: (row: CandidateErrorRow) => void;
  onServer?: (result: ServerResult) => void;
  onComplete?: (gathering: Gathering) => void;
  /** The texts of a language (`diagnostics` of texts/en.js); by default those of the document's language. */
  words?: unknown;
}

/** A candidate as it came. Times are milliseconds since the start. */
export interface CandidateRow {
  time: number;
  component: "rtp" | "rtcp" | null;
  type: RTCIceCandidateType | null;
  foundation: string | null;
  protocol: "udp" | "tcp" | null;
  /** A host candidate's may be a name that ends in .local: the browser hides the address. */
  address: string | null;
  port: number | null;
  priority: number;
  /** The priority's parts (RFC 8445 §5.1.2.1); `component` is the component's number. */
  preferences: { type: number; local: number; component: number };
  /** The server it came from; null where the browser does not say and more than one could be it. */
  url: string | null;
  relayProtocol: RelayProtocol | null;
  relatedAddress: string | null;
  relatedPort: number | null;
  tcpType: RTCIceTcpCandidateType | null;
  candidate: string;
}

/** An icecandidateerror event. */
export interface CandidateErrorRow {
  time: number;
  /** Of STUN (401, 403, 486, …), or 701: the server could not be reached. */
  code: number;
  text: string;
  url: string;
  address: string | null;
  port: number | null;
}

export interface Gathering {
  /** `complete`, `timed-out`, `aborted`, or `refused`: the browser did not take the configuration. */
  state: "complete" | "timed-out" | "aborted" | "refused";
  ms: number;
}

/** What one URL did when it was tried alone. */
export interface ServerResult {
  url: string;
  kind: "stun" | "turn";
  transport: RelayProtocol;
  ok: boolean;
  reason:
    | "works"
    /** STUN answered with an address of this host: there is no NAT. */
    | "same-address"
    | "credentials"
    | "no-credentials"
    | "refused"
    | "unreachable"
    | "not-found"
    | "no-answer"
    /** TLS to an address, which Firefox does not try. */
    | "needs-name"
    | "not-tried"
    | "malformed"
    | "aborted";
  /** The last error's code and text, where there was one. */
  code: number | null;
  text: string | null;
  ms: number;
}

export type Outcome = "works" | "fails" | "untried";
/**
 * `open`: none, or one that keeps ports; the browser hides which. `one-server`: there is one, and one answer does not tell its kind.
 */
export type Nat = "none" | "open" | "independent" | "symmetric" | "one-server" | "unknown";

export interface Verdict {
  stun: Outcome;
  turn: { udp: Outcome; tcp: Outcome; tls: Outcome };
  nat: Nat;
  servers: ServerResult[];
  /** What is said in `sentences`, as codes: `stun-works`, `turn-tls-fails`, `nat-symmetric`, `advice-udp-blocked`, … */
  codes: string[];
  sentences: { code: string; tone: "good" | "warn" | "bad" | "info"; text: string }[];
  text: string;
}

export interface Diagnosis {
  rows: CandidateRow[];
  errors: CandidateErrorRow[];
  gathering: Gathering;
  verdict: Verdict;
}

/** The client: signs in, shows who is here, carries calls. */
export class Roost extends EventTarget {
  constructor(options?: RoostOptions);
  readonly state: Report["state"];
  readonly connection: Report["connection"];
  readonly name: string | null;
  readonly person: string | null;
  readonly people: Person[];
  readonly morePeople: number;
  readonly currentCall: Call | null;
  /** The latest first, at most 20; kept as long as the tab and the person are the same. */
  readonly missed: MissedCall[];
  readonly members: Member[];
  readonly room: { room: string; kind: string; topology: string; node: string; size: number; locked: boolean } | null;
  readonly entered: Entered | null;
  /** The last 200 lines, also those from before one came. */
  readonly chat: ChatLine[];
  /** Members (and "self") whose hand is up. */
  readonly hands: Set<string>;
  /** This page's own member. */
  readonly me: { member: string; role: Role; name: string } | null;
  /** Who speaks most, as the node hears it. */
  readonly dominant: string | null;
  /** This page gets too little of a processor: a picture paused for "bandwidth" is then rather paused for that. */
  readonly isBusy: boolean;
  readonly local: LocalMedia;

  /** Throws RoostError: `name-taken` (with `suggestion`), `name-invalid`, `unavailable`, `version`, `too-many-sign-ins`. Waits while the network is away. */
  signIn(name: string): Promise<void>;
  /**
   * Takes up the session, and the call, of this tab before it was reloaded. False if there is none, or none of this name, nor one that
   * began by asking for it and was given another, since it was taken.
   */
  restore(name?: string): Promise<boolean>;
  /** `keepMissed` leaves the missed calls to the next page of this tab under the same name. */
  signOut(options?: { keepMissed?: boolean }): void;

  /** Calls by name or person id; resolves with the room once it rings there. Calling who calls is answering. */
  call(who: string, options?: { video?: boolean; audio?: boolean }): Promise<string>;
  /**
   * Rings somebody, by name or person id, to come into the call that goes on; resolves once it rings there. From three members on a
   * node carries the call, and back at two for ten seconds it is straight again. How the ring ends without them is a notice, `added-…`.
   */
  add(who: string): Promise<void>;
  /** Who is rung to come into the call that goes on. */
  readonly invited: { person: string; name: string }[];
  accept(options?: { video?: boolean; audio?: boolean }): Promise<void>;
  decline(): Promise<void>;
  /** Cancels, declines or leaves, whichever applies. */
  hangUp(): void;

  /** Takes missed calls off the list: that of one room, those of one person, or all. */
  forgetMissed(which?: { room?: string; person?: string | null }): void;

  /** Enters a room by name, which makes it if need be. Loads client/room-media.js. Works without camera and microphone. A listener sends nothing. */
  enter(room: string, options?: { audio?: boolean; video?: boolean; topology?: Topology; role?: "speaker" | "listener" }): Promise<void>;
  leave(): void;
  say(text: string): void;
  raiseHand(up: boolean): void;
  react(emoji: string): void;
  /** For hosts; throws RoostError `not-allowed` for others. "listen" makes a member a listener, "speak" a speaker again. */
  moderate(action: "mute" | "remove" | "listen" | "speak" | "lock" | "unlock", member?: string | null): Promise<void>;
  /** What the page shows now, most important first: members not in it send no picture here. Cheap to call often. */
  view(tiles: ViewedTile[]): void;
  /** Of the call or room that goes on (in a room for hosts), else of rooms made from now on. Throws RoostError: `bad-topology`, `not-allowed`, `mesh-full`, `gone`, `too-many`, `unavailable`. */
  setTopology(name: Topology): Promise<void>;

  setMicrophone(on: boolean): Promise<void>;
  setCamera(on: boolean): Promise<void>;
  /** Throws RoostError: `screen-unsupported`, `screen-refused`, `screen-failed`, `listener`. */
  shareScreen(on: boolean): Promise<void>;
  useDevice(kind: MediaDeviceKind, deviceId: string): Promise<void>;

  statistics(): Statistics;
  report(): Promise<Report>;

  /** Changed during a call, it makes the call look for another way. */
  iceTransportPolicy: RTCIceTransportPolicy;
  /** This Roost's STUN and TURN servers with credentials. Signed out: throws RoostError `too-many`, `unavailable`, `timeout`. */
  iceServers(): Promise<RTCIceServer[]>;
  /** Tries every server by itself and all together; never throws for what a server or a network does. Loads diagnose.js. */
  diagnose(options?: DiagnoseOptions): Promise<Diagnosis>;

  addEventListener<K extends keyof RoostEventMap>(
    type: K,
    listener: (event: RoostEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
