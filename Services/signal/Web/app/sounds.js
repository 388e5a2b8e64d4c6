/** The page's sounds, made by Web Audio: nothing to download, and soft enough for an office. */

let context = null;
let timer = null;

/** Browsers let a page sound only after the person touched it; the first touch anywhere unlocks ours. */
export function unlockSounds() {
  const unlock = () => {
    context ??= new AudioContext();
    context.resume().catch(() => {});
  };
  for (const type of ["pointerdown", "keydown"]) addEventListener(type, unlock, { capture: true, passive: true });
}

const vibrate = (pattern) => navigator.userActivation?.hasBeenActive && navigator.vibrate?.(pattern);

function tone(frequency, at, length, loudness) {
  const start = context.currentTime + at;
  const gain = context.createGain();
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(loudness, start + 0.03);
  gain.gain.exponentialRampToValueAtTime(0.0005, start + length);
  gain.connect(context.destination);
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

function play(notes, loudness) {
  if (!mayPlay()) return;
  try {
    context ??= new AudioContext();
    context.resume().catch(() => {});
    for (const [frequency, at, length] of notes) tone(frequency, at, length, loudness);
  } catch {
    // No sound device: the dialog and the title still say it.
  }
}

/** Somebody calls: two rising pairs every 2.5 s, until stopped. */
export function ringIn() {
  stopRinging();
  const once = () => {
    play([[659, 0, 0.5], [880, 0.16, 0.6], [659, 0.7, 0.5], [988, 0.86, 0.8]], 0.16);
    vibrate([220, 90, 220]);
  };
  once();
  timer = setInterval(once, 2_500);
}

/** It rings at the other end. */
export function ringOut() {
  stopRinging();
  const once = () => play([[440, 0, 0.9], [440, 0.02, 0.9]], 0.05);
  once();
  timer = setInterval(once, 3_000);
}

export function stopRinging() {
  clearInterval(timer);
  timer = null;
  vibrate(0);
}

export const isRinging = () => timer !== null;

export const soundConnected = () => play([[587, 0, 0.25], [880, 0.1, 0.4]], 0.08);
export const soundEnded = () => play([[587, 0, 0.25], [392, 0.12, 0.4]], 0.08);
