/** Recording from the microphone. */

import { Problem } from "../lib/api.js";
import { resolveColour } from "../lib/emotions.js";
import { decode, wavFile } from "./sound.js";

const REASONS = {
  NotAllowedError: "Access to the microphone was denied. Allow it for this site in the browser’s settings.",
  NotFoundError: "No microphone is connected. Connect one, or choose a file.",
  NotReadableError: "Another program is using the microphone. Close it and try again.",
};

/** One recording from start to stop. */
export class Recorder {
  /**
   * Request the microphone and start recording.
   *
   * @throws {Problem} No microphone is available, or access was denied.
   */
  static async start() {
    if (!navigator.mediaDevices) {
      throw microphoneProblem("Browsers allow the microphone only on https:// addresses and on localhost.");
    }
    try {
      return new Recorder(await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }));
    } catch (error) {
      if (error instanceof DOMException) throw microphoneProblem(REASONS[error.name] ?? error.message);
      throw error;
    }
  }

  constructor(stream) {
    this.stream = stream;
    this.chunks = [];
    this.started = performance.now();
    this.recorder = new MediaRecorder(stream);
    this.recorder.addEventListener("dataavailable", (event) => this.chunks.push(event.data));
    this.stopped = new Promise((resolve) => this.recorder.addEventListener("stop", resolve, { once: true }));
    this.recorder.start();
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: 1024 });
    this.context.createMediaStreamSource(stream).connect(this.analyser);
  }

  get seconds() {
    return (performance.now() - this.started) / 1000;
  }

  /** Stop, and return a WAV file, or the browser's own format where it cannot be decoded here; `stem` names it. */
  async finish(stem) {
    this.recorder.stop();
    await this.stopped;
    this.release();
    const raw = new Blob(this.chunks, { type: this.recorder.mimeType });
    const sound = await decode(raw);
    return sound ? wavFile(sound.samples, `${stem}.wav`) : new File([raw], `${stem}.webm`, { type: raw.type });
  }

  release() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }

  /** Draw the current input level. */
  drawLevel(canvas) {
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const context = canvas.getContext("2d");
    const bars = 30;
    const width = canvas.width / bars;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = resolveColour("var(--sound)");
    for (let bar = 0; bar < bars; bar++) {
      const part = samples.subarray((bar * samples.length) / bars, ((bar + 1) * samples.length) / bars);
      const height = Math.max(3, Math.min(1, 2.5 * Math.max(...part.map(Math.abs))) * canvas.height);
      context.fillRect(bar * width + 2, (canvas.height - height) / 2, width - 4, height);
    }
  }
}

function microphoneProblem(detail) {
  return new Problem({ title: "The microphone cannot be used", detail, code: "microphone" });
}
