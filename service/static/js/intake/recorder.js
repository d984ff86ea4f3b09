/** The microphone. */

import { Problem } from "../lib/api.js";
import { resolveColour } from "../lib/emotions.js";
import { decode, wavFile } from "./sound.js";

const REFUSALS = {
  NotAllowedError: "The browser or you refused the microphone. Allow it in the site's settings, beside the address.",
  NotFoundError: "No microphone is connected. Connect one, or choose a file.",
  NotReadableError: "Another program holds the microphone. Close it, and try again.",
};

/** One recording from start to stop. */
export class Recorder {
  /**
   * Asks for the microphone and starts.
   *
   * @throws {Problem} there is none, or it was refused
   */
  static async start() {
    if (!navigator.mediaDevices) {
      throw microphoneProblem("Browsers give pages a microphone on https:// and on localhost only.");
    }
    try {
      return new Recorder(await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }));
    } catch (error) {
      if (error instanceof DOMException) throw microphoneProblem(REFUSALS[error.name] ?? error.message);
      throw error;
    }
  }

  constructor(stream) {
    this.stream = stream;
    this.pieces = [];
    this.started = performance.now();
    this.recorder = new MediaRecorder(stream);
    this.recorder.addEventListener("dataavailable", (event) => this.pieces.push(event.data));
    this.stopped = new Promise((resolve) => this.recorder.addEventListener("stop", resolve, { once: true }));
    this.recorder.start();
    this.context = new AudioContext();
    this.analyser = new AnalyserNode(this.context, { fftSize: 1024 });
    this.context.createMediaStreamSource(stream).connect(this.analyser);
  }

  get seconds() {
    return (performance.now() - this.started) / 1000;
  }

  /** The recording as a WAV file; as the browser wrote it where it cannot be read back. */
  async finish() {
    this.recorder.stop();
    await this.stopped;
    this.release();
    const raw = new Blob(this.pieces, { type: this.recorder.mimeType });
    const sound = await decode(raw);
    return sound ? wavFile(sound.samples, "recording.wav") : new File([raw], "recording.webm", { type: raw.type });
  }

  release() {
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }

  /** Draws what the microphone hears now. */
  drawLevel(canvas) {
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    const context = canvas.getContext("2d");
    const bars = 30;
    const width = canvas.width / bars;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = resolveColour("var(--sound)");
    for (let bar = 0; bar < bars; bar++) {
      const piece = samples.subarray((bar * samples.length) / bars, ((bar + 1) * samples.length) / bars);
      const height = Math.max(3, Math.min(1, 2.5 * Math.max(...piece.map(Math.abs))) * canvas.height);
      context.fillRect(bar * width + 2, (canvas.height - height) / 2, width - 4, height);
    }
  }
}

function microphoneProblem(detail) {
  return new Problem({ title: "The microphone cannot be used", detail, code: "microphone" });
}
