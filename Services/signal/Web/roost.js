/**
 * Roost in the browser: signs a person in, shows who is here, and carries calls and rooms. No dependencies beside client/, which it
 * loads from its own folder.
 *
 * Reading order: `Signaling` (the socket of docs/protocol/signal.md), `LocalMedia` (camera, microphone, screen), `Peer` (one
 * RTCPeerConnection for each other member) and its statistics, `RoomMedia` (the one to a node, loaded when a call or room begins),
 * and `Roost` here, which ties them to rooms and calls. Types for users of this module: roost.d.ts.
 */

import { Chat, chatText } from "./client/chat.js";
import { memberReport, nodeFigures, straightFigures } from "./client/figures.js";
import { ICEServers, reachableFrom } from "./client/ice-servers.js";
import { Lateness } from "./client/lateness.js";
import { LocalMedia } from "./client/local-media.js";
import { MissedCalls, isMissed } from "./client/missed-calls.js";
import { Peer } from "./client/peer.js";
import { RoostError } from "./client/roost-error.js";
import { GREETING_LIMIT_MS, Signaling } from "./client/signaling.js";
import { local, parsed, session } from "./client/storage.js";

export { relayProtocolOf } from "./client/relay-protocol.js";
export { RoostError };

/** The node ends an invitation after 30 s; past this nobody is going to tell us any more. */
const RING_LIMIT_MS = 36_000;
/** An ICE restart waits so long for fresh servers; then it goes with those it has. */
const ICE_WAIT_MS = 1_000;
/** How long members missing from a moved room's state may take to come back before they count as gone. */
const RECOVERY_LIMIT_MS = 12_000;
/** A room back at two for so long leaves the node: people who step out for a moment should not move everybody twice. */
const BACK_AT_TWO_MS = 10_000;
/** How long media goes both ways at most while a call goes over to a node, or back, once the new way stands. */
const HAND_OVER_LIMIT_MS = 8_000;
/** What is decoded is shown a moment later, and on a machine that starts a third picture just then, a long moment. */
const LINGER_MS = 2_500;
/** How often levels are read. */
const METER_MS = 150;
/** How long a member whose page closed its connection may take to come back by a reload. */
const RETURN_LIMIT_MS = 6_000;
/** What one sender may use, by the number of members: a mesh sends everything n - 1 times over one uplink. */
const VIDEO_BPS = { 2: 2_500_000, 3: 1_200_000, 4: 800_000, 5: 500_000, 6: 400_000 };
const SNAPSHOT_KEY = "roost.session";
const SECRET_KEY = "roost.key";
/** What an address can carry as it is; two dots in a row are a path to somewhere else. */
const ROOM_NAME = /^(?!.*\.\.)[A-Za-z0-9_.-]{1,64}$/;
export const isRoomName = (text) => ROOM_NAME.test(text);
const TOPOLOGIES = ["auto", "mesh", "sfu"];

/** `count` random characters that fit into a URL; 22 of them carry 132 bits. */
function randomText(count) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => alphabet[byte & 63]).join("");
}

/**
 * The client. Everything to be shown is in its properties; after any change it sends one "change" event. What is over or
 * worth a word comes as "ended" and "notice" events. A page renders from the properties and adds nothing of its own.
 */
export class Roost extends EventTarget {
  /** "signed-out" | "signing-in" | "signed-in" */
  state = "signed-out";
  /** "closed" | "opening" | "open" | "waiting": the socket, not the calls; those go on without it. */
  connection = "closed";
  name = null;
  person = null;
  /** People here beside oneself, by name; `morePeople` counts those beyond the list. */
  people = [];
  morePeople = 0;
  /** The call that goes on or rings, or null. */
  currentCall = null;
  /** The room that this page is in or enters, or null: {room, state: "entering" | "in", topology, since}. */
  entered = null;
  /** Members (and "self") whose hand is up. */
  hands = new Set();
  local = new LocalMedia();

  #signaling;
  #people = new Map();
  #ice = new ICEServers({ ask: () => this.#signaling.request("ice-servers"), isWanted: () => this.state === "signed-in" });
  #iceFilter;
  #icePolicy;
  #url;
  #room = null;
  #self = null;
  /** The name that the page was opened with. */
  #asked = null;
  #early = [];
  #chat = new Chat();
  #missed = new MissedCalls();
  #peers = new Map();
  /** The media of a room on a node (client/room-media.js), or null. */
  #node = null;
  #RoomMedia = null;
  #backAtTwo = null;
  #topology = "sfu";
  #links = new Map();
  /** While media goes over from one way to the other: whom the new one carries for us, and for whom it carries us, since when. */
  #carriedHere = new Map();
  #carriedThere = new Map();
  #handOverSince = 0;
  /** Two are left, and the straight way is being made anew. */
  #isGoingBack = false;
  #leaving = new Set();
  #closedSince = new Map();
  #flags = "";
  #sampler = null;
  #meter = null;
  #lateness = new Lateness(METER_MS);
  #ringTimer = null;
  #recoveryTimer = null;
  #changePending = false;

  constructor({ url = defaultURL(), iceTransportPolicy = "all", filterIceServers = (servers) => servers } = {}) {
    super();
    this.#url = url;
    this.#icePolicy = iceTransportPolicy === "relay" ? "relay" : "all";
    this.#iceFilter = (servers) => filterIceServers(reachableFrom(url, servers));
    this.#signaling = new Signaling(url, {
      onState: (state) => {
        this.connection = state;
        this.#changed();
      },
      onSession: (answer, resumed) => this.#sessionStands(answer, resumed),
      onMessage: (message) => this.#receive(message),
      onRefused: (problem) => this.#signedOut(problem),
      onCut: (problem) => this.#notice("cut", { code: problem.code, message: problem.message }),
      rooms: () => (this.#room ? [{ room: this.#room.room, epoch: this.#room.epoch, seq: this.#room.seq }] : []),
    });
    this.local.addEventListener("change", () => this.#localChanged());
    this.local.addEventListener("lost", ({ detail }) => this.#notice("device-lost", detail));
    globalThis.addEventListener?.("pagehide", () => this.#leavePage());
    globalThis.addEventListener?.("pageshow", (event) => event.persisted && this.restore().catch(() => {}));
    const moved = () => this.#restartPaths();
    globalThis.addEventListener?.("online", moved);
    navigator.connection?.addEventListener?.("change", moved);
  }

  /** What was said in the room, the oldest first: {at, from, name, text}. */
  get chat() {
    return this.#chat.lines;
  }

  /** Calls that nobody answered here, the latest first: {room, person, name, video, at, reason}. */
  get missed() {
    return this.#missed.list;
  }

  /**
   * This page gets too little of a processor: what it answers comes late, and a node takes that for a slow download. Whoever is
   * told why a picture is paused should be told this.
   */
  get isBusy() {
    return this.#lateness.isBusy;
  }

  /** The other members of the room, each with its media and the state of the way to it. */
  get members() {
    if (!this.#room) return [];
    return [...this.#room.members.values()]
      .filter((member) => member.member !== this.#self)
      .map((member) => {
        const peer = this.#peers.get(member.member);
        const hand = this.hands.has(member.member);
        // While a call grows into a room, whoever the node does not carry yet is still heard and seen directly.
        // On the way back it is the other way round; until that begins, a straight way that is left may have ended at its other end.
        const isStraight = peer && this.#isGoingBack && this.#carriesStraight(peer, member);
        if (this.#node && !isStraight && (!peer || this.#isCarried(member))) {
          return { ...member, hand, straight: false, ...this.#node.member(member.member, member.media) };
        }
        return {
          ...member,
          hand,
          straight: peer !== undefined,
          state: peer?.state ?? "new",
          stream: peer?.stream ?? null,
          screenStream: null,
          level: peer?.level ?? 0,
          statistics: peer?.sample ?? null,
          paused: false,
          pausedReason: null,
          rid: null,
        };
      });
  }

  get room() {
    const room = this.#room;
    return room && { room: room.room, kind: room.kind, topology: room.topology, node: room.node, size: room.members.size, locked: Boolean(room.locked) };
  }

  /** This page's own member in the room: its id and role. */
  get me() {
    return this.#room?.members.get(this.#self) ?? null;
  }

  /** The member who speaks most, as the node hears it. */
  get dominant() {
    return this.#node?.dominant ?? null;
  }

  // ---- signing in

  /** Signs in under a display name. Throws RoostError: `name-taken` (with `suggestion`), `name-invalid`, `unavailable`, `version`. */
  async signIn(name) {
    this.state = "signing-in";
    this.#changed();
    let key = local.get(SECRET_KEY);
    if (!key) local.set(SECRET_KEY, (key = randomText(32)));
    try {
      await this.#signaling.signIn({ name: name.trim(), key });
    } catch (error) {
      this.state = "signed-out";
      this.#changed();
      throw error;
    }
  }

  /**
   * Takes up the session (and the call) that this tab had before it was reloaded. False if there is none, or none of this `name`,
   * nor one that began by asking for it (it was taken, and the person took another).
   */
  async restore(name) {
    const left = parsed(session.get(SNAPSHOT_KEY), null);
    session.remove(SNAPSHOT_KEY);
    if (name) this.#asked = name;
    if (!left?.name || (name && left.name !== name && !(left.token && left.asked === name))) return false;
    if (!left.token) {
      await this.signIn(left.name);
      return true;
    }
    this.state = "signing-in";
    this.name = left.name;
    this.#setPeople(left.people ?? []);
    this.morePeople = left.morePeople ?? 0;
    if (left.room) {
      this.#takeRoom(left.room);
      this.#self = left.self;
    }
    if (left.call) {
      this.currentCall = { ...left.call, state: left.call.state === "connected" ? "connecting" : left.call.state };
      this.#watchRing();
    }
    if (left.entered) {
      this.local.besideCamera = true;
      this.entered = { ...left.entered, state: "entering" };
      this.#chat.clear(left.chat ?? []);
      this.hands = new Set(left.hands ?? []);
    }
    // A call may have grown into a room on a node.
    if (left.entered || left.call) await this.#loadRoomMedia().catch(() => {});
    this.local.isSilent = this.entered !== null && this.me?.role === "listener";
    if (left.media && this.#self) {
      this.local.open({ audio: true, video: left.media.video, muted: !left.media.audio });
    }
    this.#changed();
    const key = local.get(SECRET_KEY) ?? randomText(32);
    try {
      const { resumed } = await this.#signaling.takeUp({ name: left.name, key }, left);
      if (resumed && this.#room) this.#backInRoom();
      return true;
    } catch (error) {
      this.#signedOut(null);
      throw error;
    }
  }

  /** Hangs up, says goodbye to signal and forgets the session; missed calls too, unless they are to wait for the next page of this tab. */
  signOut({ keepMissed = false } = {}) {
    if (this.currentCall) this.hangUp();
    this.leave();
    this.#signaling.signOut();
    if (!keepMissed) this.forgetMissed();
    this.#signedOut(null);
  }

  // ---- calling

  /** Calls somebody by name or person id. Resolves with the room's id once it rings there. */
  async call(who, { video = true, audio = true } = {}) {
    if (this.state !== "signed-in") throw new RoostError("signed-out", "Sign in first.");
    const known = this.people.find((each) => each.person === who) ?? this.people.find((each) => each.name === who);
    if (this.currentCall?.state === "ringing" && (this.currentCall.peer.person === known?.person || this.currentCall.peer.name === who)) {
      // They were quicker by a moment: calling who calls is answering.
      const { room } = this.currentCall;
      await this.accept({ video, audio });
      return room;
    }
    if (this.currentCall || this.entered) throw new RoostError("busy-self", "You are in a call.");
    const room = `c-${randomText(22)}`;
    this.#begin({
      room,
      direction: "out",
      peer: { person: known?.person ?? null, name: known?.name ?? who },
      video,
      state: "calling",
    });
    // The call does not wait for the camera: it rings meanwhile, and what the camera says is told by `update`.
    if (!video) this.local.setCamera(false);
    const opening = this.local.open({ audio, video });
    const media = { audio, video, screen: false };
    this.#flags = JSON.stringify(media);
    try {
      const answer = await this.#signaling.request("call", { room, to: known?.person ?? who, video, media });
      if (this.currentCall?.room !== room) return room;
      this.#enter(answer);
      await opening;
      return room;
    } catch (error) {
      if (this.currentCall?.room === room) this.#end(error.code, { leave: error.code === "timeout" });
      throw error;
    }
  }

  /** Takes the call that rings, with the camera on or not. */
  async accept({ video = true, audio = true } = {}) {
    const call = this.currentCall;
    if (call?.state !== "ringing") throw new RoostError("no-ring", "Nobody is calling.");
    await this.#join(call, { video, audio });
  }

  /**
   * Rings somebody to come into the call that goes on; resolves once it rings there. From three members on a node carries the call.
   * How it ends is a notice: `added-declined`, `added-busy`, `added-no-answer`, `added-unreachable`.
   */
  async add(who) {
    const call = this.currentCall;
    if (!call || call.state === "ringing" || call.state === "calling") throw new RoostError("no-call", "There is no call to add anybody to.");
    const known = this.people.find((each) => each.person === who) ?? this.people.find((each) => each.name === who);
    await this.#signaling.request("call", { room: call.room, to: known?.person ?? who, video: call.video, media: this.local.flags });
  }

  /** Who is rung to come into the call that goes on: [{person, name}]. */
  get invited() {
    if (this.currentCall?.state !== "connected" && this.currentCall?.state !== "connecting") return [];
    const here = new Set(this.members.map((member) => member.person));
    return (this.#room?.invitations ?? []).filter((each) => each.state === "ringing" && !here.has(each.person)).map(({ person, name }) => ({ person, name }));
  }

  /** Says no to the call that rings. */
  async decline() {
    const call = this.currentCall;
    if (call?.state !== "ringing") return;
    this.#end("declined", { by: "me", leave: false });
    await this.#signaling.request("answer", { room: call.room, state: "declined" }).catch(() => {});
  }

  /** Ends what goes on: cancels an outgoing call, declines a ringing one, leaves a running one. */
  hangUp() {
    const call = this.currentCall;
    if (!call) return;
    if (call.state === "ringing") this.decline();
    else this.#end(call.state === "calling" ? "cancelled" : "you-hung-up", { by: "me" });
  }

  /** Takes missed calls off the list: that of one room, those of one person, or all. */
  forgetMissed(which = {}) {
    this.#missed.forget(which);
    this.#changed();
  }

  // ---- rooms

  /**
   * Enters a room by its name, which makes it if it is not there. Without camera or microphone one is there all the same. The role
   * "listener" sends nothing: no device is opened.
   * Throws RoostError: `bad-room`, `signed-out`, `busy-self`, `locked`, `removed`, `not-allowed`, `unavailable`, `too-many`.
   */
  async enter(room, { audio = true, video = true, topology = this.#topology, role = "speaker" } = {}) {
    if (!ROOM_NAME.test(room)) throw new RoostError("bad-room", "A room's name has 1 to 64 letters, digits, '-', '_' or '.'.");
    if (!TOPOLOGIES.includes(topology)) throw new RoostError("bad-topology", `The topology is one of ${TOPOLOGIES.join(", ")}.`);
    if (this.state !== "signed-in") throw new RoostError("signed-out", "Sign in first.");
    if (this.currentCall || this.entered) throw new RoostError("busy-self", "You are in a call or a room already.");
    this.entered = { room, state: "entering", topology, role, since: Date.now() };
    this.#chat.clear();
    this.hands.clear();
    this.#early = [];
    this.local.besideCamera = true;
    this.#changed();
    if (!video) this.local.setCamera(false);
    this.#settleRole();
    // Entering does not wait for devices: a question of the browser may stand for minutes.
    this.local.open({ audio, video });
    await this.#joinRoom();
  }

  /** Leaves the room; the others see it at once. */
  leave() {
    if (this.entered) this.#leaveRoom("left", { by: "me" });
  }

  say(text) {
    if (!this.entered || text.trim() === "") return;
    const line = { at: Date.now(), from: this.#self, name: this.name, text: text.trim() };
    this.#addChat(line);
    this.#request("chat", { text: line.text }).then(
      ({ seq }) => {
        this.#chat.taken(line, seq);
        this.#changed();
      },
      () => {
        this.#chat.refused(line);
        this.#notice("not-sent");
        this.#changed();
      },
    );
  }

  raiseHand(up) {
    if (!this.entered) return;
    if (up) this.hands.add("self");
    else this.hands.delete("self");
    this.#tell("hand", { up });
    this.#changed();
  }

  react(emoji) {
    if (!this.entered) return;
    this.#tell("reaction", { emoji });
    this.dispatchEvent(new CustomEvent("reaction", { detail: { from: "self", name: this.name, emoji } }));
  }

  /** For hosts: "mute" or "remove" a member, make it "listen" only or let it "speak" again, "lock" or "unlock" the room. */
  async moderate(action, member = null) {
    await this.#signaling.request("moderate", { room: this.#room?.room, member, action });
    if (this.#room && (action === "lock" || action === "unlock")) this.#room.locked = action === "lock";
    this.#changed();
  }

  /** What the page shows, most important first, in device pixels: [{member, source: "camera" | "screen", width, height}]. */
  view(tiles) {
    this.#node?.setView(tiles);
  }

  /**
   * Which way media takes: "sfu" (a node forwards), "mesh" (straight, up to six) or "auto" (straight for two). In a call, and for
   * hosts in a room, that of the call or room, whose media goes over while it goes on; elsewhere that of rooms this page makes.
   * Throws RoostError: `bad-topology`, `not-allowed`, `mesh-full`, `gone`, `too-many`, `unavailable`.
   */
  async setTopology(name) {
    if (!TOPOLOGIES.includes(name)) throw new RoostError("bad-topology", `The topology is one of ${TOPOLOGIES.join(", ")}.`);
    const room = this.#room;
    if (!room) this.#topology = name;
    else if (room.topology !== name) await this.#signaling.request("topology", { room: room.room, topology: name });
  }

  // ---- media of one's own

  setMicrophone(on) {
    return this.local.setMicrophone(on);
  }

  setCamera(on) {
    return this.local.setCamera(on);
  }

  shareScreen(on) {
    return this.local.shareScreen(on);
  }

  useDevice(kind, deviceId) {
    return this.local.choose(kind, deviceId);
  }

  // ---- the ways that media may take

  /** "all", or "relay": only through TURN servers, so that others in a call do not learn this browser's addresses. */
  get iceTransportPolicy() {
    return this.#icePolicy;
  }

  /** A call that goes on looks for another way at once. */
  set iceTransportPolicy(policy) {
    if (policy !== "all" && policy !== "relay") throw new RoostError("bad-policy", 'The policy is "all" or "relay".');
    if (policy === this.#icePolicy) return;
    this.#icePolicy = policy;
    this.#restartPaths();
    this.#changed();
  }

  /** The STUN and TURN servers of this Roost, with credentials: the session's, or what a visitor gets who is not signed in. */
  async iceServers() {
    if (this.state === "signed-in") return this.#iceFilter(this.#ice.list);
    const url = new URL(this.#url.replace(/^ws/, "http"));
    url.pathname = "/ice-servers";
    let answer;
    try {
      answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(GREETING_LIMIT_MS) });
    } catch {
      throw new RoostError("timeout", "The server did not answer in time.");
    }
    if (!answer.ok) throw new RoostError(answer.status === 429 ? "too-many" : "unavailable", (await answer.text()).trim());
    return this.#iceFilter((await answer.json()).iceServers);
  }

  /** Tries the ways out of this network: resolves to candidates, errors and a verdict (diagnose.js, which is loaded here). */
  async diagnose(options = {}) {
    const { diagnose } = await import("./diagnose.js");
    return diagnose({ ...options, iceServers: options.iceServers ?? (await this.iceServers()) });
  }

  // ---- what is known

  /** Live figures: each link, the sums, and how many streams and links there are beside what the topology says. */
  statistics() {
    return this.#node ? nodeFigures(this.#room, this.members, this.#self, this.#node.figures) : straightFigures(this.#room, this.members);
  }

  /** What is going on, in a form for tests and support. */
  async report() {
    if (this.#node && this.#node.age > 400) await this.#node.takeSample().catch(() => {});
    await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(400)));
    const statistics = this.statistics();
    const call = this.currentCall;
    return {
      name: this.name,
      state: this.state,
      connection: this.connection,
      call: call && { peer: call.peer.name, state: call.state, path: statistics.path, relay: statistics.relay, room: call.room },
      room: this.#room?.room ?? null,
      topology: this.#room?.topology ?? null,
      streams: {
        up: statistics.counted.up,
        down: statistics.counted.down,
        theory: { up: statistics.theory.up, down: statistics.theory.down, room: statistics.theory.streams },
      },
      members: this.members.map(memberReport),
      up: { bps: Math.round(statistics.up.bps) },
      down: { bps: Math.round(statistics.down.bps) },
      rttMs: statistics.rttMs,
      node: statistics.node,
    };
  }

  // ---- from signal

  #sessionStands(answer, resumed) {
    this.name = answer.name;
    this.person = answer.person;
    this.#ice.take(answer);
    this.#missed.restore(this.person);
    this.state = "signed-in";
    if (!resumed) this.#sessionIsNew();
    this.#changed();
  }

  /** The old session is gone but this page is not: whoever was in a room comes back into it. */
  #sessionIsNew() {
    this.#setPeople([]);
    if (this.entered) {
      this.#closePeers();
      this.#leaveRoomState();
      this.entered = { ...this.entered, state: "entering" };
      this.#joinRoom().catch(() => {});
      return;
    }
    const call = this.currentCall;
    if (!call) return;
    if (call.state === "ringing" || call.state === "calling") {
      this.#end("session-lost", { leave: false });
    } else {
      this.#closePeers();
      this.#leaveRoomState();
      this.#join(call, { again: true }).catch(() => {});
    }
  }

  #receive(message) {
    switch (message.type) {
      case "people":
        this.#setPeople(message.list);
        this.morePeople = message.more ?? 0;
        return this.#changed();
      case "people-change":
        return this.#peopleChanged(message);
      case "ring":
        return this.#ring(message);
      case "ring-end":
        return this.#ringEnded(message);
      case "missed":
        return this.#missedWhileBusy(message);
      case "room":
        return this.#roomAnew(message.state, message.recovering ?? message.state.recovering ?? false);
      case "event":
        return this.#event(message);
      case "media":
        return this.#mediaSaid(message);
      default:
        return undefined;
    }
  }

  #setPeople(list) {
    this.#people = new Map(list.map((each) => [each.person, each]));
    this.#sortPeople();
  }

  #peopleChanged({ joined = [], left = [], changed = [] }) {
    for (const each of [...joined, ...changed]) this.#people.set(each.person, each);
    for (const person of left) this.#people.delete(typeof person === "string" ? person : person.person);
    this.#sortPeople();
    this.#changed();
  }

  #sortPeople() {
    this.people = [...this.#people.values()].filter((each) => each.person !== this.person).sort((a, b) => a.name.localeCompare(b.name));
  }

  #ring({ room, from, video, expires }) {
    const call = this.currentCall;
    if (call?.room === room) return;
    if (call?.state === "calling" && (call.peer.person === from.person || call.peer.name === from.name)) {
      // Both call each other: the smaller room wins, and who called in the other one comes over without being asked.
      if (room > call.room) return;
      this.#signaling.request("leave", { room: call.room }).catch(() => {});
      this.#closePeers();
      this.#leaveRoomState();
      const crossed = { ...call, room, peer: { person: from.person, name: from.name } };
      this.currentCall = crossed;
      this.#join(crossed, { video: call.video }).catch(() => {});
      return;
    }
    if (call || this.entered) {
      this.#signaling.request("answer", { room, state: "busy" }).catch(() => {});
      this.#missedWhileBusy({ room, from, video, at: Date.now() });
      return;
    }
    this.#begin({ room, direction: "in", peer: { person: from.person, name: from.name }, video: Boolean(video), state: "ringing", expires });
  }

  #ringEnded({ room, reason }) {
    const call = this.currentCall;
    if (call?.room !== room || call.state !== "ringing") return;
    this.#end(reason, { leave: false });
  }

  #missedWhileBusy({ room, from, video, at }) {
    if (this.#missed.has(room)) return;
    this.#addMissed({ room, person: from.person, name: from.name, video: Boolean(video), at, reason: "busy" });
    this.#notice("called-while-busy", { name: from.name, person: from.person });
  }

  #addMissed(call) {
    this.#missed.add(call);
    this.#changed();
  }

  #roomAnew(state, recovering) {
    if (this.#where !== state.room || this.#room?.room !== state.room) return;
    if (state.epoch < this.#room.epoch) return;
    const known = this.#room.members;
    this.#takeRoom(state);
    this.#settleRole();
    if (this.entered) this.#chat.takeHistory(state.chat);
    clearTimeout(this.#recoveryTimer);
    if (recovering) {
      // The room came up on another node and its members are on their way back: none of them is gone yet, and media is not touched.
      for (const [id, member] of known) if (!this.#room.members.has(id)) this.#room.members.set(id, { ...member, away: true });
      this.#recoveryTimer = setTimeout(() => this.#dropMissing(new Set(state.members.map((each) => each.member))), RECOVERY_LIMIT_MS);
    }
    this.#reconcile();
  }

  /** The room that this page is in or about to be in. */
  get #where() {
    return this.currentCall?.room ?? this.entered?.room ?? null;
  }

  #dropMissing(present) {
    for (const [id, member] of this.#room?.members ?? []) {
      if (member.away && !present.has(id) && id !== this.#self) this.#memberLeft(id, "gone");
    }
  }

  #event(event) {
    const room = this.#room;
    if (!room || event.room !== room.room) {
      // The room's first events may come before the answer to `call` or `join`.
      if (event.room === this.#where && this.#early.length < 256) this.#early.push(event);
      return;
    }
    if (event.n <= room.seq) return;
    room.seq = event.n;
    switch (event.kind) {
      case "joined":
        // Who comes late learns of a hand from its owner: rooms keep chat, not gestures.
        if (this.hands.has("self") && event.member.member !== this.#self) this.#say(event.member.member, "hand", { up: true });
      // falls through
      case "updated":
        room.members.set(event.member.member, event.member);
        if (event.member.member === this.#self) this.#settleRole();
        this.#reconcile();
        break;
      case "left":
        this.#memberLeft(event.member, event.reason);
        break;
      case "locked":
        room.locked = event.locked;
        break;
      case "topology":
        room.topology = event.topology;
        // A way back that waits was of the topology before.
        clearTimeout(this.#backAtTwo);
        this.#backAtTwo = null;
        this.#chooseWay();
        this.#spreadUplink();
        break;
      case "invitation":
        this.#invitation(event.invitation);
        break;
      case "message":
        this.#message(event);
        break;
      case "ended":
        if (event.reason === "moved") break;
        if (this.entered) this.#leaveRoom("ended", { leave: false });
        else this.#end(endWord(event.reason, this.currentCall), { leave: false });
        break;
      default:
    }
    this.#changed();
  }

  #invitation(invitation) {
    const { person, name, by, state } = invitation;
    const call = this.currentCall;
    this.#room.invitations = [...(this.#room.invitations ?? []).filter((each) => each.person !== person), invitation];
    if (call?.state !== "calling" && by === this.#self && ["declined", "busy", "no-answer", "unreachable"].includes(state)) {
      return this.#notice(`added-${state}`, { name, person });
    }
    if (call?.state !== "calling" || (call.peer.person && person !== call.peer.person)) return;
    if (["declined", "busy", "no-answer", "unreachable"].includes(state)) this.#end(state, { by: "them" });
    return undefined;
  }

  #memberLeft(id, reason) {
    const room = this.#room;
    const member = room?.members.get(id);
    if (!member) return;
    room.members.delete(id);
    this.#peers.get(id)?.close();
    this.#peers.delete(id);
    this.hands.delete(id);
    if (id === this.#self && this.entered) {
      if (reason === "removed") this.#leaveRoom("removed", { leave: false });
      else this.#rejoin();
    } else if (id === this.#self) {
      this.#end(reason === "removed" ? "removed" : "session-lost", { leave: false });
    } else if (room.kind === "call" && this.members.length === 0 && this.currentCall.state !== "calling") {
      this.#end(reason === "closed" ? "left" : reason === "gone" ? "lost" : reason === "removed" ? "removed-them" : "hung-up", { by: "them" });
    } else {
      this.#keepPeer();
      this.#chooseWay();
      this.#spreadUplink();
    }
    this.#changed();
  }

  /** A call that grew is with whoever remains: the one it began with may have left. */
  #keepPeer() {
    const call = this.currentCall;
    const others = this.members;
    if (!call || others.length === 0 || others.some((each) => each.person === call.peer.person)) return;
    const [{ person, name }] = others;
    call.peer = { person, name };
  }

  #message({ n, at, from, to, message }) {
    if (from === this.#self || (to && to !== this.#self)) return;
    const { type, body } = message;
    if (this.entered && type === "chat") {
      const text = chatText(body);
      if (text !== null) this.#addChat({ n, at: at ?? Date.now(), from, name: this.#nameOf(from), text });
      this.dispatchEvent(new CustomEvent("chat", { detail: { from, name: this.#nameOf(from), body } }));
    } else if (this.entered && type === "hand") {
      if (body?.up) this.hands.add(from);
      else this.hands.delete(from);
      if (body?.up) this.#notice("hand", { name: this.#nameOf(from) });
    } else if (this.entered && type === "reaction") {
      const { emoji } = body ?? {};
      if (typeof emoji !== "string" || emoji.length > EMOJI_LIMIT || !EMOJI.test(emoji)) return;
      this.dispatchEvent(new CustomEvent("reaction", { detail: { from, name: this.#nameOf(from), emoji } }));
    } else if (type === "chat") {
      this.dispatchEvent(new CustomEvent("chat", { detail: { from, body } }));
    } else if (type === "restart" && body?.leaving) {
      this.#leaving.add(from);
    } else if (type === "restart" && body?.carried) {
      if (!this.#carriedThere.has(from)) this.#carriedThere.set(from, Date.now());
      this.#chooseWay();
    } else if (type === "restart") {
      const link = String(body?.link ?? "");
      this.#leaving.delete(from);
      // Where a node forwards nobody may ask for a straight way: it would show addresses that the node hides. While a call of two
      // grows, whoever comes back from a reload counts three and starts with the node as well.
      if (!this.#isForNode && link > this.#linkOf(from)) {
        this.#startPeer(from, link);
        if (this.#node) this.#leaveNode({ begunWith: from });
      }
    } else if (type === "description" || type === "candidate") {
      // Back at two, the other one was quicker by a moment.
      if (this.#node && !this.#isForNode && !this.#peers.has(from)) this.#leaveNode();
      const peer = this.#peers.get(from);
      if (peer && (body === null || (body.link ?? "") === peer.link)) peer.receive(type, body);
    }
  }

  // ---- the room and its peers

  #begin(call) {
    this.currentCall = { since: Date.now(), connectedAt: null, ...call };
    this.#early = [];
    this.#watchRing();
    // Somebody may be added: then the node's media should begin at once.
    this.#loadRoomMedia().catch(() => {});
    this.#changed();
  }

  /** Calling and ringing both end by the node's word; this is for when that word cannot come. */
  #watchRing() {
    clearTimeout(this.#ringTimer);
    const call = this.currentCall;
    if (call?.state !== "calling" && call?.state !== "ringing") return;
    this.#ringTimer = setTimeout(() => {
      if (this.currentCall === call && (call.state === "calling" || call.state === "ringing")) {
        this.#end("no-answer", { leave: call.state === "calling" });
      }
    }, Math.max(call.since + RING_LIMIT_MS - Date.now(), 1_000));
  }

  async #join(call, { video = call.video, audio = true, again = false }) {
    call.state = "connecting";
    clearTimeout(this.#ringTimer);
    const media = again ? this.local.flags : { audio, video, screen: false };
    this.#flags = JSON.stringify(media);
    if (!again) {
      if (!video) this.local.setCamera(false);
      this.local.open({ audio, video });
    }
    this.#changed();
    try {
      const answer = await this.#signaling.request("join", { room: call.room, media, kind: "call", topology: "auto" });
      if (this.currentCall === call) this.#enter(answer);
      else this.#signaling.request("leave", { room: call.room }).catch(() => {});
    } catch (error) {
      if (this.currentCall === call) this.#end(error.code, { leave: error.code === "timeout" });
      throw error;
    }
  }

  #enter({ room, self, ...ice }) {
    this.#ice.take(ice);
    this.#self = self;
    this.#takeRoom(room);
    for (const event of this.#early.splice(0)) this.#event(event);
    if (!this.currentCall && !this.entered) return;
    this.#settleRole();
    this.#localChanged();
    this.#reconcile();
  }

  #takeRoom(state) {
    this.#room = { ...state, members: new Map(state.members.map((each) => [each.member, each])) };
  }

  /** Makes peers be what the members say: one for each other member, none for anybody else. */
  #reconcile() {
    for (const [id, peer] of this.#peers) {
      if (this.#room.members.has(id)) continue;
      peer.close();
      this.#peers.delete(id);
    }
    this.#chooseWay();
    if (!this.#isForNode) {
      for (const id of this.#room.members.keys()) if (id !== this.#self && !this.#peers.has(id)) this.#startPeer(id, this.#linkOf(id));
    }
    const call = this.currentCall;
    if (call?.state === "calling" && this.members.length > 0) {
      call.state = "connecting";
      clearTimeout(this.#ringTimer);
    }
    if (call && call.state !== "calling") this.#keepPeer();
    if (call && call.state !== "calling" && this.#room.kind === "call" && this.members.length === 0) {
      this.#end("ended", {});
    }
    this.#spreadUplink();
    this.#changed();
  }

  #linkOf(id) {
    return this.#links.get(id) ?? "";
  }

  #startPeer(id, link) {
    const mine = this.#room?.members.get(this.#self);
    const theirs = this.#room?.members.get(id);
    if (!mine || !theirs) return;
    this.#peers.get(id)?.close();
    this.#links.set(id, link);
    const first = mine.joined !== theirs.joined ? mine.joined < theirs.joined : this.#self < id;
    const peer = new Peer({
      member: id,
      link,
      polite: this.#self > id,
      first,
      configuration: this.#configuration(),
      media: this.local,
      hooks: {
        send: (from, type, body) => {
          if (this.#peers.get(id) === from || type === "description") this.#say(id, type, body);
        },
        changed: () => this.#peerChanged(),
        broken: (broken) => this.#restartPath(broken),
        problem: (_, error) => this.#notice("media-problem", { message: error.message }),
      },
    });
    this.#peers.set(id, peer);
    this.#watch();
  }

  #watch() {
    this.#sampler ??= setInterval(() => this.#sample(), 1_000);
    this.#meter ??= setInterval(() => this.#measure(), METER_MS);
  }

  // ---- a room on a node

  /** A node carries rooms of topology `sfu`, and of `auto` from three members on. */
  get #isForNode() {
    const room = this.#room;
    if (!room) return false;
    return room.topology === "sfu" || (room.topology === "auto" && room.members.size >= 3);
  }

  async #loadRoomMedia() {
    this.#RoomMedia ??= (await import("./client/room-media.js")).RoomMedia;
  }

  /** Starts the node's media beside what there is, and ends what is no longer wanted once the other carries. */
  #chooseWay() {
    if (!this.#room || !this.#self) return;
    if (this.#isForNode && !this.#RoomMedia) {
      this.#loadRoomMedia().then(
        () => this.#chooseWay(),
        (error) => this.#notice("media-problem", { message: error.message }),
      );
    } else if (this.#isForNode) {
      clearTimeout(this.#backAtTwo);
      this.#backAtTwo = null;
      if (this.#isGoingBack) this.#beginHandOver();
      this.#isGoingBack = false;
      if (!this.#node) this.#startNode();
      const stands = this.#node.connectedAt;
      const isLate = stands !== null && performance.now() - Math.max(stands, this.#handOverSince) > HAND_OVER_LIMIT_MS;
      for (const [id, peer] of this.#peers) {
        const member = this.#room.members.get(id);
        if (member && !this.#isCarried(member) && !(isLate && this.#node.hears(id))) continue;
        if (member && !this.#isHandedOver(id) && !isLate) continue;
        peer.close();
        this.#peers.delete(id);
        this.#changed();
      }
      // Whom the node does not carry keeps a straight way.
      if (this.#peers.size === 0 || isLate) this.#node.becomeOnly();
    } else if (this.#node && !this.#backAtTwo && !this.#isGoingBack) {
      // Whoever left in the middle of the hand-over leaves the node as the only way, for as long as this waits.
      this.#node.becomeOnly();
      this.#backAtTwo = setTimeout(() => this.#leaveNode(), this.#room.topology === "auto" ? BACK_AT_TWO_MS : 0);
    }
  }

  /** The node carries this member, and did so from when that was told: a pause of its picture does not bring the old way back. */
  #isCarried({ member: id, media, role }) {
    // A listener sends nothing that could be carried.
    if (role === "listener") return this.#node.state === "connected";
    return this.#node.carries(id, media) || (!this.#isGoingBack && this.#carriedHere.has(id) && this.#node.hears(id));
  }

  /** The new way carries this member for us: it is told, and the old way goes on until it says the same of us and had time to show it. */
  #isHandedOver(id) {
    const now = Date.now();
    if (!this.#carriedHere.has(id)) {
      this.#carriedHere.set(id, now);
      this.#say(id, "restart", { carried: true });
      // The page must show the new way before the old one ends; statistics, from which this is known, say no "change".
      this.#changed();
    }
    const there = this.#carriedThere.get(id);
    return (there !== undefined && now - there > LINGER_MS) || now - this.#carriedHere.get(id) > HAND_OVER_LIMIT_MS;
  }

  #beginHandOver() {
    this.#handOverSince = performance.now();
    this.#carriedHere.clear();
    this.#carriedThere.clear();
  }

  #startNode() {
    this.#beginHandOver();
    this.#node = new this.#RoomMedia({
      room: this.#room.room,
      media: this.local,
      configuration: this.#configuration(),
      isBeside: this.#peers.size > 0,
      request: (type, fields) => this.#signaling.request(type, fields),
      hooks: {
        changed: () => {
          this.#chooseWay();
          this.#peerChanged();
        },
        levels: () => this.dispatchEvent(new Event("levels")),
        problem: (error) => this.#notice("media-problem", { message: error.message }),
      },
    });
    this.#watch();
  }

  /** Back to straight media: the node's ends when the peers' stands, or when those do not come up in time. */
  #leaveNode({ begunWith = null } = {}) {
    clearTimeout(this.#backAtTwo);
    this.#backAtTwo = null;
    if (!this.#node || this.#isForNode) return;
    for (const id of this.#room.members.keys()) {
      if (id === this.#self) continue;
      if (!this.#peers.has(id)) this.#startPeer(id, this.#linkOf(id));
      else if (id !== begunWith && !this.#isGoingBack && this.#mayBeOneSided(id)) this.#startAnewWith(id);
    }
    this.#isGoingBack = true;
    const node = this.#node;
    const until = Date.now() + RECOVERY_LIMIT_MS;
    this.#beginHandOver();
    const look = async () => {
      await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(150)));
      if (this.#node !== node || this.#isForNode) return;
      const isOver = [...this.#peers].map(([id, peer]) => this.#carriesStraight(peer, this.#room.members.get(id)) && this.#isHandedOver(id));
      this.#changed();
      if (isOver.includes(false) && Date.now() < until) return void setTimeout(look, 100);
      this.#node = null;
      this.#isGoingBack = false;
      node.close();
      this.#changed();
    };
    look();
  }

  /** A straight way from before the room grew: the other end may have closed its side when the third left, for it was carried already. */
  #mayBeOneSided(id) {
    const peer = this.#peers.get(id);
    return this.#carriedHere.has(id) || this.#carriedThere.has(id) || peer.isClosedThere || peer.state !== "connected";
  }

  /** What comes straight from this member can be heard, and seen if there is a picture. */
  #carriesStraight(peer, member) {
    return peer.state === "connected" && (!(member?.media.video || member?.media.screen) || (peer.sample?.video.framesDecoded ?? 0) > 0);
  }

  #mediaSaid(message) {
    if (message.room !== this.#where) return;
    if (message.kind === "muted-by") {
      this.#node?.receive(message);
      this.local.setMicrophone(false);
      this.#notice("muted-by", { name: message.by ?? "" });
    } else {
      this.#node?.receive(message);
    }
  }

  async #joinRoom() {
    const entered = this.entered;
    const media = this.local.flags;
    this.#flags = JSON.stringify(media);
    try {
      await this.#loadRoomMedia();
      const answer = await this.#signaling.request("join", { room: entered.room, media, kind: "room", topology: entered.topology, role: entered.role ?? "speaker" });
      if (this.entered !== entered) return void (this.entered?.room !== entered.room && this.#signaling.request("leave", { room: entered.room }).catch(() => {}));
      entered.state = "in";
      this.#chat.takeHistory(answer.room.chat);
      // The others' hands are told by them to who comes; of one's own they know nothing after a new start.
      const isUp = this.hands.has("self");
      this.hands.clear();
      if (isUp) this.hands.add("self");
      this.#enter(answer);
      if (isUp && this.entered === entered) this.#tell("hand", { up: true });
    } catch (error) {
      if (this.entered === entered) this.#leaveRoom(error.code ?? "unavailable", { leave: error.code === "timeout" });
      throw error;
    }
    return undefined;
  }

  /** A listener's devices are closed; a speaker opens them when it wants. Told where it was not so asked for. */
  #settleRole() {
    const isListener = this.entered !== null && (this.me?.role ?? this.entered.role) === "listener";
    if (isListener === this.local.isSilent) return;
    this.local.isSilent = isListener;
    if (isListener) this.local.close();
    else this.#localChanged();
    if (this.entered && this.me) this.#notice(isListener ? "made-listener" : "made-speaker");
  }

  /** After a reload: the session and the membership stand, the media starts anew. */
  #backInRoom() {
    if (this.entered) this.entered.state = "in";
    this.#chooseWay();
    if (!this.#isForNode) this.#startAnew();
    this.#localChanged();
  }

  /** The room gave this page up (it was silent for too long), but this page has not given up the room. */
  #rejoin() {
    this.#closePeers();
    this.#leaveRoomState();
    this.entered = { ...this.entered, state: "entering" };
    this.#joinRoom().catch(() => {});
  }

  #leaveRoom(reason, { by = null, leave = true } = {}) {
    const { room, since } = this.entered;
    this.entered = null;
    if (leave) this.#signaling.request("leave", { room }).catch(() => {});
    this.#closePeers();
    this.#leaveRoomState();
    this.hands.clear();
    this.local.close();
    this.local.besideCamera = this.local.isSilent = false;
    this.dispatchEvent(new CustomEvent("room-left", { detail: { room, reason, by, seconds: Math.round((Date.now() - since) / 1_000) } }));
    this.#changed();
  }

  #nameOf(id) {
    return this.#room?.members.get(id)?.name ?? "";
  }

  #request(type, body) {
    return this.#signaling.request("send", { room: this.#room?.room ?? this.entered.room, to: null, message: { type, body } });
  }

  #tell(type, body) {
    this.#request(type, body).catch(() => this.#notice("not-sent"));
  }

  #addChat(line) {
    this.#chat.add(line);
    this.#changed();
  }

  #say(to, type, body) {
    if (!this.#room) return;
    this.#signaling.request("send", { room: this.#room.room, to, message: { type, body } }).catch(() => {});
  }

  /** After a reload: the connections died with the page, and the others are asked to start them anew. */
  #startAnew() {
    for (const id of this.#room.members.keys()) {
      if (id !== this.#self) this.#startAnewWith(id);
    }
    this.#changed();
  }

  #startAnewWith(id) {
    // Later than any name before it: names grow with the clock.
    const link = `${Date.now().toString(36).padStart(10, "0")}-${randomText(6)}`;
    this.#say(id, "restart", { link });
    this.#startPeer(id, link);
  }

  #configuration() {
    return { iceServers: this.#iceFilter(this.#ice.list), iceTransportPolicy: this.#icePolicy, bundlePolicy: "max-bundle" };
  }

  #restartPaths() {
    this.#node?.restart(this.#configuration());
    for (const peer of this.#peers.values()) this.#restartPath(peer);
  }

  /** Looks for another way, through servers that live now: the one in use may be what broke. */
  async #restartPath(peer) {
    if (this.connection === "open" && this.#ice.isStale) {
      await Promise.race([this.#ice.renew(), new Promise((resolve) => setTimeout(resolve, ICE_WAIT_MS))]);
    }
    peer.restart(this.#configuration());
  }

  #peerChanged() {
    const call = this.currentCall;
    const stands = this.#node?.state === "connected" || [...this.#peers.values()].some((peer) => peer.state === "connected");
    if (call?.state === "connecting" && stands) {
      call.state = "connected";
      call.connectedAt ??= Date.now();
      // They have each other now: what was missed before is settled.
      this.forgetMissed({ person: call.peer.person });
      this.#spreadUplink();
    }
    this.#changed();
  }

  #spreadUplink() {
    const bps = VIDEO_BPS[Math.min(Math.max(this.#room?.members.size ?? 2, 2), 6)];
    for (const peer of this.#peers.values()) if (peer.state === "connected") peer.limitTo(bps);
  }

  async #sample() {
    if (this.#node && this.#node.age > 400) await this.#node.takeSample().catch(() => {});
    this.#chooseWay();
    // A report just before would leave some milliseconds to measure rates over.
    await Promise.all([...this.#peers.values()].map((peer) => peer.takeSampleIfOlderThan(400)));
    this.#spreadUplink();
    this.dispatchEvent(new Event("statistics"));
  }

  #measure() {
    this.#node?.measureLevels();
    const now = performance.now();
    if (this.#lateness.note(now)) this.#changed();
    for (const [id, peer] of this.#peers) {
      peer.measureLevel(now);
      const isGone = this.#room.members.get(id)?.away && (this.#leaving.has(id) || peer.isClosedThere);
      if (!isGone) this.#closedSince.delete(id);
      else if (!this.#closedSince.has(id)) this.#closedSince.set(id, now);
      else if (now - this.#closedSince.get(id) > RETURN_LIMIT_MS) return this.#memberLeft(id, "closed");
    }
    this.dispatchEvent(new Event("levels"));
    return undefined;
  }

  #localChanged() {
    for (const peer of this.#peers.values()) peer.useTracks();
    this.#node?.useTracks();
    const opening = this.local.audio.state === "opening" || this.local.video.state === "opening";
    const flags = JSON.stringify(this.local.flags);
    if (this.#room && this.#self && !opening && flags !== this.#flags) {
      this.#flags = flags;
      this.#signaling.request("update", { room: this.#room.room, media: this.local.flags }).catch(() => {});
    }
    this.#changed();
  }

  // ---- endings

  #end(reason, { by = null, leave = true } = {}) {
    const call = this.currentCall;
    if (!call) return;
    this.currentCall = null;
    clearTimeout(this.#ringTimer);
    if (leave) this.#signaling.request("leave", { room: call.room }).catch(() => {});
    this.#closePeers();
    this.#leaveRoomState();
    // A ring opens nothing: what is open then is a person looking at oneself.
    if (call.state !== "ringing") this.local.close();
    if (call.state === "ringing" && isMissed(reason)) {
      this.#addMissed({ room: call.room, ...call.peer, video: call.video, at: call.since, reason });
    }
    const seconds = call.connectedAt ? Math.round((Date.now() - call.connectedAt) / 1000) : null;
    this.dispatchEvent(
      new CustomEvent("ended", { detail: { reason, by, direction: call.direction, peer: call.peer, video: call.video, room: call.room, seconds } }),
    );
    this.#changed();
  }

  #closePeers() {
    this.#node?.close();
    this.#node = null;
    this.#isGoingBack = false;
    clearTimeout(this.#backAtTwo);
    this.#backAtTwo = null;
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    this.#links.clear();
    this.#beginHandOver();
    this.#leaving.clear();
    this.#closedSince.clear();
    clearInterval(this.#sampler);
    clearInterval(this.#meter);
    this.#sampler = this.#meter = null;
    this.#lateness.reset();
  }

  #leaveRoomState() {
    clearTimeout(this.#recoveryTimer);
    this.#room = null;
    this.#self = null;
    this.#early = [];
    this.#flags = "";
  }

  #signedOut(problem) {
    if (this.currentCall) this.#end("session-lost", { leave: false });
    if (this.entered) this.#leaveRoom("session-lost", { leave: false });
    this.state = "signed-out";
    this.person = null;
    this.#ice.stop();
    this.#setPeople([]);
    if (problem) this.#notice("signed-out", { code: problem.code, message: problem.message, suggestion: problem.suggestion });
    this.#changed();
  }

  /**
   * No browser says whether a page is reloaded or closed. In a call we stay for as long as a reload takes (the others are told,
   * and give us RETURN_LIMIT_MS); else we say goodbye at once, and a reload signs in anew under the same name.
   */
  #leavePage() {
    if (this.state !== "signed-in") return;
    const stays = this.entered?.state === "in" || ["connecting", "connected"].includes(this.currentCall?.state);
    if (!stays || !this.#room) {
      session.set(SNAPSHOT_KEY, JSON.stringify({ name: this.name }));
      if (this.currentCall) this.hangUp();
      this.#signaling.leave();
      return;
    }
    for (const id of this.#peers.keys()) this.#say(id, "restart", { leaving: true });
    // Not only closed but forgotten: a browser may show this very page again.
    this.#closePeers();
    session.set(
      SNAPSHOT_KEY,
      JSON.stringify({
        token: this.#signaling.token,
        seq: this.#signaling.seq,
        nextId: this.#signaling.nextId,
        name: this.name,
        asked: this.#asked,
        people: this.people,
        morePeople: this.morePeople,
        call: this.currentCall,
        entered: this.entered,
        chat: this.#chat.snapshot,
        hands: [...this.hands],
        self: this.#self,
        media: this.local.flags,
        room: this.#room && { ...this.#room, members: [...this.#room.members.values()] },
      }),
    );
  }

  #notice(code, detail = {}) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { notice: code, ...detail } }));
  }

  /** One "change" for everything that changed in this turn. */
  #changed() {
    if (this.#changePending) return;
    this.#changePending = true;
    queueMicrotask(() => {
      this.#changePending = false;
      this.dispatchEvent(new Event("change"));
    });
  }
}

/** One emoji, with its shades and joints, or a flag: a reaction is drawn over a picture, where nobody is to write. */
const EMOJI = /^(\p{RI}{2}|\p{Extended_Pictographic}[\u{1f3fb}-\u{1f3ff}\u200d\ufe0f\p{Extended_Pictographic}]*)$/u;
const EMOJI_LIMIT = 24;

/** The word for a room's end as this side of the call sees it. */
function endWord(reason, call) {
  if (reason === "not-answered") return "no-answer";
  if (call?.state === "calling" || call?.state === "ringing") return "ended";
  return reason === "hung-up" || reason === "empty" ? "hung-up" : "ended";
}

function defaultURL() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}
