/** What `roost.statistics()` and `roost.report()` say: live figures of a room, from what its members' links and the node's say. */

/** Straight ways: a mesh of n, where each sends its stream to n - 1 others over n - 1 links of its own; n² - n streams in the whole room. */
export function straightFigures(room, members) {
  const size = room?.members.size ?? 0;
  const links = members.map((member) => ({ member: member.member, name: member.name, state: member.state, ...member.statistics }));
  const measured = links.filter((link) => link.at !== undefined);
  const sum = (of) => measured.reduce((total, link) => total + of(link), 0);
  const round = measured.map((link) => link.rttMs).filter((ms) => ms !== null);
  const flowing = (track) => Boolean(track.flowing);
  return {
    node: room?.node ?? null,
    topology: room?.topology ?? null,
    links,
    path: measured.some((link) => link.path === "relayed") ? "relayed" : (measured.find((link) => link.path)?.path ?? null),
    relay: measured.find((link) => link.path === "relayed")?.relay ?? { here: null, there: null },
    rttMs: round.length > 0 ? Math.max(...round) : null,
    up: { bps: sum((link) => link.up.bps) },
    down: { bps: sum((link) => link.down.bps) },
    counted: {
      members: size,
      links: links.filter((link) => link.state === "connected").length,
      up: measured.filter((link) => flowing(link.sent.audio) || flowing(link.sent.video)).length,
      down: measured.filter((link) => flowing(link.audio) || flowing(link.video)).length,
    },
    theory: { links: Math.max(size - 1, 0), up: Math.max(size - 1, 0), down: Math.max(size - 1, 0), streams: size * size - size, roomLinks: (size * size - size) / 2 },
  };
}

/** Through a node: one link, one stream up (in all its layers), one down for each other member; n² in the whole room. */
export function nodeFigures(room, members, self, { link, sent, state, totals, downBps }) {
  const size = room?.members.size ?? 0;
  const links = members.map((member) => ({ member: member.member, name: member.name, state: member.state, rid: member.rid, paused: member.pausedReason, ...member.statistics }));
  const measured = links.filter((each) => each.audio);
  const tracks = measured.flatMap((each) => [each.audio, each.video, each.screen, each.screenAudio].filter(Boolean));
  const flowing = (track) => Boolean(track?.flowing);
  return {
    node: room?.node ?? null,
    topology: room?.topology ?? null,
    links,
    path: link?.path ?? null,
    relay: { here: null, there: null },
    rttMs: link?.rttMs ?? null,
    protocol: link?.protocol ?? null,
    up: { bps: sent.audio.bps + sent.video.bps + sent.screen.bps },
    down: { bps: tracks.reduce((total, track) => total + track.bps, 0) },
    sent,
    totals,
    nodeLinks: (totals?.links ?? []).flatMap(({ member, upBps, downBps: bps, upLoss, downLoss, rttMs }) => {
      const there = room?.members.get(member);
      return there ? [{ member, name: there.name, self: member === self, up: { bps: upBps, loss: upLoss }, down: { bps, loss: downLoss }, rttMs }] : [];
    }),
    estimateBps: downBps,
    state,
    counted: {
      members: size,
      links: state === "connected" ? 1 : 0,
      up: flowing(sent.audio) || flowing(sent.video) ? 1 : 0,
      down: measured.filter((each) => flowing(each.audio) || flowing(each.video)).length,
    },
    theory: { links: 1, up: 1, down: Math.max(size - 1, 0), streams: size * size, roomLinks: size, roomUp: size, roomDown: size * (size - 1) },
  };
}

/** A member's line in the report. */
export function memberReport(member) {
  const { audio, video } = member.statistics ?? {};
  return {
    name: member.name,
    state: member.state,
    away: member.away ?? false,
    media: member.media,
    audio: { packetsReceived: audio?.packets ?? 0, level: member.level },
    video: {
      framesDecoded: video?.framesDecoded ?? 0,
      width: video?.width ?? 0,
      height: video?.height ?? 0,
      packetsLost: video?.lost ?? 0,
      rid: member.rid,
      freezeCount: video?.freezeCount ?? 0,
      paused: member.paused,
      reason: member.pausedReason,
    },
  };
}
