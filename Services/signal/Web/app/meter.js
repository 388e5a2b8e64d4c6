/** How loud one's own microphone is, as a bar that moves ten times a second. */

const LOOK_EVERY_MS = 100;
/** Longer than from one look to the next (170 ms at 48 kHz), so that no word falls between two. */
const SAMPLES = 8192;

export class Meter {
  track;

  #context = new AudioContext();
  #timer;

  constructor(track, element) {
    this.track = track;
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = SAMPLES;
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(SAMPLES);
    this.#timer = setInterval(() => {
      if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
      analyser.getFloatTimeDomainData(samples);
      element.value = samples.reduce((peak, each) => Math.max(peak, Math.abs(each)), 0);
    }, LOOK_EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#context.close();
  }
}
