/**
 * The page's sounds, made by Web Audio: nothing to download, and soft enough for an office.
 *
 * Every sound goes note → ring → meter → speaker. The ring's own gain ends it at once, whatever notes are still due; the meter hears
 * what the speaker gets.
 */

/** What is asked to sound and cannot within this (no touch yet, no sound device) is dropped: a ring heard late would be a lie. */
const LATE_MS = 400;

let context = null;
let meter = null;
let ring = null;
let timer = null;

/** Browsers let a page sound only after the person touched it; the first touch anywhere unlocks ours. */
export function unlockSounds() {
  const unlock = () => open().resume().catch(() => {});
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, unlock, { capture: true, passive: true });
}

function open() {
  if (context) return context;
  context = new AudioContext();
  meter = context.createAnalyser();
  meter.connect(context.destination);
  return context;
}

/** How loud the page's own sounds are at this moment, 0 to 1: the peak of the last 43 ms of what goes to the speaker. For tests. */
export function soundLevel() {
  if (context?.state !== "running") return 0;
  const samples = new Float32Array(meter.fftSize);
  meter.getFloatTimeDomainData(samples);
  return samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
}

const vibrate = (pattern) => navigator.userActivation?.hasBeenActive && navigator.vibrate?.(pattern);

function tone(out, frequency, at, length, loudness) {
  const start = context.currentTime + at;
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(loudness, start + 0.03);
  gain.gain.exponentialRampToValueAtTime(0.0005, start + length);
  gain.connect(out);
  for (const [multiple, share] of [[1, 1], [2, 0.25]]) {
    const oscillator = context.createOscillator();
    const part = context.createGain();
    part.gain.value = share;
    oscillator.frequency.value = frequency * multiple;
    oscillator.connect(part).connect(gain);
    oscillator.start(start);
    oscillator.stop(start + length + 0.05);
  }
}

/** Without a touch the browser keeps us silent anyway, and complains in its console for each attempt. */
const mayPlay = () => context !== null || (navigator.userActivation?.hasBeenActive ?? true);

/** Plays notes: those of a ring for as long as it is the ring that sounds, others straight to the meter. */
async function play(notes, loudness, of = null) {
  if (!mayPlay()) return;
  try {
    const asked = performance.now();
    await open().resume();
    if (performance.now() - asked > LATE_MS || (of && of !== ring)) return;
    if (of && !of.gain) {
      of.gain = context.createGain();
      of.gain.connect(meter);
    }
    for (const [frequency, at, length] of notes) tone(of ? of.gain : meter, frequency, at, length, loudness);
  } catch {
    // No sound device: the dialog and the title still say it.
  }
}

/** Repeats notes until `stopRinging`. */
function startRing(notes, loudness, every, pattern = null) {
  stopRinging();
  const mine = (ring = { gain: null });
  const once = () => {
    play(notes, loudness, mine);
    if (pattern) vibrate(pattern);
  };
  once();
  timer = setInterval(once, every);
}

/** Somebody calls: two rising pairs every 2.5 s, until stopped. */
export function ringIn() {
  startRing([[659, 0, 0.5], [880, 0.16, 0.6], [659, 0.7, 0.5], [988, 0.86, 0.8]], 0.16, 2_500, [220, 90, 220]);
}

/** It rings at the other end. */
export function ringOut() {
  startRing([[440, 0, 0.9], [440, 0.02, 0.9]], 0.05, 3_000);
}

/** Silence at once, also in the middle of a note: what rings on after the answer is in the way of the first word. */
export function stopRinging() {
  clearInterval(timer);
  timer = null;
  const gain = ring?.gain;
  if (gain) {
    // A cut wave clicks; this fades within some 60 ms.
    gain.gain.setTargetAtTime(0, context.currentTime, 0.015);
    setTimeout(() => gain.disconnect(), 250);
  }
  ring = null;
  vibrate(0);
}

export const soundConnected = () => play([[587, 0, 0.25], [880, 0.1, 0.4]], 0.08);
export const soundEnded = () => play([[587, 0, 0.25], [392, 0.12, 0.4]], 0.08);
