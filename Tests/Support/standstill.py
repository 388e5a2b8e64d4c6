"""How long a member's picture and sound stood, as whoever looks and listens has them: frames that were shown, and samples that were heard."""

from browsers import Tab

# A microphone with a steady tone. The made-up ones beep once a second, and of silence nobody can say whether it is a gap. No filter of the
# browser may touch it: they take a tone for noise.
TONE = """
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    for (const track of stream.getAudioTracks()) {
      const context = new AudioContext();
      await context.resume();
      const tone = new OscillatorNode(context, { frequency: 440 });
      const level = new GainNode(context, { gain: 0.3 });
      const out = context.createMediaStreamDestination();
      tone.connect(level).connect(out);
      tone.start();
      globalThis.tones = [...(globalThis.tones ?? []), context];
      stream.removeTrack(track);
      stream.addTrack(out.stream.getAudioTracks()[0]);
    }
    return stream;
  };
  return true;
"""

# Pictures: from one frame shown in the tile to the next, whichever element shows them; where a busy page was not told of each frame, they
# share the time. Sound: an analyser on what the tile's element plays holds the last 0.68 s; it is looked at every 100 ms, so that no gap
# falls between two looks. Under half as loud as the tone counts as silent: a browser fills gaps with what it heard before, and fades that out.
WATCH = """
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const BLOCK = 240;
  const samples = new Float32Array(32768);
  const sources = new WeakMap();
  const heard = new Map();
  const watched = new WeakSet();
  const last = new Map();
  globalThis.stood = {};
  globalThis.forget = () => {
    globalThis.stood = {};
    last.clear();
    for (const each of heard.values()) each.since = performance.now();
  };
  const note = (key, ms) => { stood[key] = Math.max(stood[key] ?? 0, ms); };
  const look = (name, video) => {
    if (watched.has(video)) return;
    watched.add(video);
    const key = 'picture ' + name;
    let before = null;
    const frame = (_, { presentationTime, presentedFrames }) => {
      if (video.isConnected && !video.nextElementSibling?.matches('video')) {
        const skipped = before === null ? 1 : Math.max(presentedFrames - before, 1);
        if (last.has(key)) note(key, (presentationTime - last.get(key)) / skipped);
        last.set(key, presentationTime);
        before = presentedFrames;
      }
      video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
  };
  const source = (stream) => {
    if (!sources.has(stream) && stream.getAudioTracks().length) sources.set(stream, context.createMediaStreamSource(stream));
    return sources.get(stream);
  };
  const listen = (name, stream) => {
    if (!heard.has(name)) heard.set(name, { meter: new AnalyserNode(context, { fftSize: 32768 }), stream: null, since: performance.now() });
    const ear = heard.get(name);
    if (ear.stream === stream) return;
    if (ear.stream && source(ear.stream)) source(ear.stream).disconnect(ear.meter);
    if (stream && source(stream)) source(stream).connect(ear.meter);
    ear.stream = stream;
  };
  const see = () => {
    for (const { stream } of roost.members) if (stream) source(stream);
    for (const tile of document.querySelectorAll('[data-testid=tile]')) {
      look(tile.dataset.member, [...tile.querySelectorAll('video')].at(-1));
      listen(tile.dataset.member, tile.querySelector('audio').srcObject);
    }
  };
  new MutationObserver(see).observe(document.body, { subtree: true, childList: true });
  setInterval(see, 20);
  let turn = performance.now();
  setInterval(() => {
    note('page', performance.now() - turn);
    turn = performance.now();
  }, 20);
  // One that stands still has no next frame yet. What was shown while the page itself stood, it is told with its next frames only.
  let turns = [0, 0, performance.now()];
  const still = () => {
    const now = performance.now();
    const isInTime = now - turns[0] < 150;
    for (const tile of isInTime ? document.querySelectorAll('[data-testid=tile]') : []) {
      const key = 'picture ' + tile.dataset.member;
      if (last.has(key)) note(key, now - last.get(key));
    }
    turns = [turns[1], turns[2], now];
    requestAnimationFrame(still);
  };
  requestAnimationFrame(still);
  setInterval(() => {
    for (const [name, { meter, since }] of heard) {
      meter.getFloatTimeDomainData(samples);
      const held = Math.min(Math.floor((performance.now() - since) * 48), samples.length);
      let silent = 0;
      for (let at = samples.length - held; at + BLOCK <= samples.length; at += BLOCK) {
        let peak = 0;
        for (let each = at; each < at + BLOCK; each++) peak = Math.max(peak, Math.abs(samples[each]));
        silent = peak < 0.12 ? silent + BLOCK / 48 : 0;
        note('sound ' + name, silent);
      }
    }
  }, 100);
  return true;
"""


def speak_evenly(tab: Tab) -> None:
    """From now on the page's microphone gives a steady tone. Before the page opens it."""
    tab.run(TONE)


def watch(tab: Tab) -> None:
    """From now on the page notes how long each member's picture and sound stood."""
    tab.run(WATCH)


def forget(tab: Tab) -> None:
    tab.run("forget(); return true")


def stood(tab: Tab, member: str) -> dict[str, float]:
    """The longest standstill in ms since `watch` or `forget`: of the member's picture, of its sound, and of the page's own clock."""
    told = tab.run("return stood")
    assert f"picture {member}" in told and f"sound {member}" in told, told
    return {"picture": told[f"picture {member}"], "sound": told[f"sound {member}"], "page": told.get("page", 0.0)}


def member_id(tab: Tab, name: str) -> str:
    return tab.run("return roost.members.find((each) => each.name === arguments[0]).member", name)
