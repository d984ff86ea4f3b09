/** The waveform, coloured by emotion over time, with the player's controls. */

import { h, icon, PAUSE, PLAY, stepBetween } from "../lib/dom.js";
import { barSegments, colourOf, resolveColour } from "../lib/emotions.js";
import { clock, percent, range } from "../lib/format.js";

const BAR = 3;
const GAP = 1.5;

export class Timeline {
  /**
   * @param {Player} player
   * @param {Float32Array|null} samples null where this browser could not read the file
   * @param {(utterance: object) => void} onChoose an utterance was chosen
   */
  constructor(player, samples, onChoose) {
    Object.assign(this, { player, samples, onChoose, utterances: [] });
    this.canvas = h("canvas.wave", { aria: { hidden: "true" } });
    this.bands = h("div.bands", { role: "group", aria: { label: "Utterances; arrow keys go from one to the next" } });
    this.bands.addEventListener("keydown", (event) => stepBetween([...this.bands.children], event));
    this.cursor = h("div.cursor", { aria: { hidden: "true" } });
    this.stage = h("div.wave-stage", {}, this.canvas, this.bands, this.cursor);
    this.strip = h("div.strip", { role: "img", aria: { label: "Emotion over time" } });
    this.toggle = h("button.play", { type: "button", on: { click: () => player.toggle() } });
    this.position = h("input.seek", {
      type: "range", min: 0, max: player.duration, step: 0.01, value: 0,
      aria: { label: "Position in the recording" },
      on: { input: () => player.seek(Number(this.position.value)) },
    });
    this.time = h("span.time");
    this.element = h("section.card.timeline", { aria: { label: "Recording" } },
      h("p.caption.fine", { textContent: "Emotion over time: the wave in the likeliest emotion’s colour, below it the shares of all." }),
      this.stage, this.strip, h("div.controls", {}, this.toggle, this.position, this.time));
    this.stage.addEventListener("pointerdown", (event) => this.point(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.stage);
    player.addEventListener("time", () => this.move());
    player.addEventListener("state", () => this.showState());
    this.showState();
    this.move();
  }

  /** Append utterances. */
  add(...utterances) {
    for (const utterance of utterances) {
      this.utterances.push(utterance);
      this.bands.append(this.band(utterance));
      // In the order of the model's labels, the same for every utterance, so that colours are comparable over time.
      this.strip.append(h("div.shares", { style: this.span(utterance) },
        ...barSegments(utterance.probabilities, Object.keys(utterance.probabilities))));
    }
    this.describe();
    this.draw();
  }

  /** Replace all utterances. */
  show(utterances) {
    this.utterances = [];
    this.bands.replaceChildren();
    this.strip.replaceChildren();
    this.add(...utterances);
  }

  band(utterance) {
    const { emotion, start_s, end_s, probabilities } = utterance;
    const when = range(start_s, end_s);
    return h("button.band", {
      type: "button", title: `${emotion} ${percent(probabilities[emotion])}, ${when}`,
      tabIndex: this.utterances.length === 1 ? 0 : -1,
      style: { ...this.span(utterance), "--hue": colourOf(emotion) },
      aria: { label: `Utterance ${this.utterances.length}, ${when}: ${emotion}, ${percent(probabilities[emotion])}` },
      on: {
        click: (event) => {
          // A pointer has jumped there already; the keyboard goes to the start.
          if (event.detail === 0) this.player.seek(start_s);
          this.onChoose(utterance);
        },
      },
    }, h("span", { textContent: emotion }));
  }

  span({ start_s, end_s }) {
    const { duration } = this.player;
    return { left: `${(100 * start_s) / duration}%`, width: `${(100 * (end_s - start_s)) / duration}%` };
  }

  describe() {
    const said = this.utterances.map((u) => `${clock(u.start_s)} ${u.emotion}`).join(", ");
    this.strip.setAttribute("aria-label", `Emotion over time: ${said}`);
  }

  point(event) {
    if (event.button !== 0) return;
    const box = this.stage.getBoundingClientRect();
    this.player.seek(((event.clientX - box.left) / box.width) * this.player.duration);
  }

  move() {
    const { time, duration } = this.player;
    this.cursor.hidden = time === 0;
    this.cursor.style.setProperty("left", `${(100 * time) / duration}%`);
    this.position.value = time;
    this.position.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(duration)}`);
    this.time.textContent = `${clock(time, 1)} / ${clock(duration, 1)}`;
  }

  showState() {
    const { playing } = this.player;
    this.toggle.replaceChildren(icon(playing ? PAUSE : PLAY), h("span.unseen", { textContent: playing ? "Pause" : "Play" }));
  }

  /** Bars of sound; grey where nobody speaks. */
  draw() {
    const width = this.stage.clientWidth;
    const height = this.stage.clientHeight;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const count = Math.max(1, Math.floor(width / (BAR + GAP)));
    if (this.heights?.length !== count) {
      this.heights = this.samples ? peaks(this.samples, count) : new Float32Array(count).fill(0.08);
    }
    const silent = resolveColour("var(--strong-line)");
    const colours = new Map(this.utterances.map((u) => [u, resolveColour(colourOf(u.emotion))]));
    this.heights.forEach((value, index) => {
      const time = ((index + 0.5) / count) * this.player.duration;
      const utterance = this.utterances.find((u) => u.start_s <= time && time < u.end_s);
      context.fillStyle = utterance ? colours.get(utterance) : silent;
      const tall = Math.max(2, value ** 0.8 * (height - 44));
      context.beginPath();
      context.roundRect(index * (BAR + GAP), 26 + (height - 34 - tall) / 2, BAR, tall, BAR / 2);
      context.fill();
    });
  }

  close() {
    this.observer.disconnect();
  }
}

/** (count,) loudest sample of each of `count` equal pieces, relative to the loudest of all. */
function peaks(samples, count) {
  const found = new Float32Array(count);
  const step = samples.length / count;
  let loudest = 1e-4;
  for (let piece = 0; piece < count; piece++) {
    const end = Math.min(samples.length, Math.max(Math.ceil((piece + 1) * step), Math.floor(piece * step) + 1));
    for (let i = Math.floor(piece * step); i < end; i++) found[piece] = Math.max(found[piece], Math.abs(samples[i]));
    loudest = Math.max(loudest, found[piece]);
  }
  return found.map((value) => value / loudest);
}
