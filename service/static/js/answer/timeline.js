/** Waveform and emotion over time, with the controls of the player. */

import { h, icon, moveFocus, PAUSE, PLAY } from "../lib/dom.js";
import { barSegments, colourOf, resolveColour } from "../lib/emotions.js";
import { clock, percent, timeRange } from "../lib/format.js";
import { hedge } from "./doubt.js";

const BAR = 3;
const GAP = 1.5;

export class Timeline {
  /**
   * @param {Player} player
   * @param {Float32Array|null} samples null where the browser cannot decode the file
   * @param {(utterance: object) => void} onChoose called when an utterance is chosen
   */
  constructor(player, samples, onChoose) {
    Object.assign(this, { player, samples, onChoose, utterances: [] });
    this.canvas = h("canvas.wave", { aria: { hidden: "true" } });
    this.bands = h("div.bands", {
      role: "group", aria: { label: "Utterances; use the arrow keys to move between them" },
      on: { keydown: (event) => moveFocus([...this.bands.children], event) },
    });
    this.cursor = h("div.cursor", { aria: { hidden: "true" } });
    this.stage = h("div.wave-stage", { on: { pointerdown: (event) => this.seekToPointer(event) } },
      this.canvas, this.bands, this.cursor);
    this.strip = h("div.strip", { role: "img", aria: { label: "Emotion over time" } });
    this.toggle = h("button.play", { type: "button", on: { click: () => player.toggle() } });
    this.position = h("input.seek", {
      type: "range", min: 0, max: player.duration, step: 0.01, value: 0,
      aria: { label: "Position in the recording" },
      on: { input: () => player.seek(Number(this.position.value)) },
    });
    this.time = h("span.time");
    this.element = h("section.card.timeline", { aria: { label: "Recording" } },
      h("p.caption.fine", {}, "Emotion over time. The waveform has the colour of the most probable emotion, ",
        "the strip those of all."),
      this.stage, this.strip, h("div.controls", {}, this.toggle, this.position, this.time));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.stage);
    player.addEventListener("time", () => this.showTime());
    player.addEventListener("state", () => this.showState());
    this.showState();
    this.showTime();
  }

  /** Append utterances. */
  add(...utterances) {
    for (const utterance of utterances) {
      this.utterances.push(utterance);
      this.bands.append(this.band(utterance));
      this.strip.append(h("div.probability-stack", { style: this.span(utterance) },
        ...barSegments(utterance.probabilities)));
    }
    this.showLanes();
    const summary = this.utterances.map((u) => `${clock(u.start_s)} ${u.emotion}`).join(", ");
    this.strip.setAttribute("aria-label", `Emotion over time: ${summary}`);
    this.draw();
  }

  /** Replace all utterances. */
  show(utterances) {
    this.utterances = [];
    this.bands.replaceChildren();
    this.strip.replaceChildren();
    this.add(...utterances);
  }

  /** One lane per speaker: utterances of different speakers may overlap. */
  showLanes() {
    const speakers = [...new Set(this.utterances.map(({ speaker }) => speaker))].sort();
    const share = 100 / speakers.length;
    this.utterances.forEach(({ speaker }, index) => {
      const lane = speakers.indexOf(speaker);
      for (const { style } of [this.bands.children[index], this.strip.children[index]]) {
        style.setProperty("top", `${lane * share}%`);
        style.setProperty("bottom", `${100 - (lane + 1) * share}%`);
      }
    });
    this.stage.classList.toggle("lanes", speakers.length > 1);
  }

  band(utterance) {
    const { emotion, start_s, end_s, confidence, speaker, uncertain } = utterance;
    const range = speaker ? `${speaker}, ${timeRange(start_s, end_s)}` : timeRange(start_s, end_s);
    const prediction = `${hedge(utterance)}${emotion} ${percent(confidence)}`;
    return h("button.band", {
      type: "button", title: `${prediction}, ${range}`, tabIndex: this.utterances.length === 1 ? 0 : -1,
      style: { ...this.span(utterance), "--hue": colourOf(emotion) },
      aria: { label: `Utterance ${this.utterances.length}, ${range}: ${prediction}` },
      on: {
        click: (event) => {
          // A pointer has moved the position on pointerdown; a key press (detail 0) moves it to the start.
          if (event.detail === 0) this.player.seek(start_s);
          this.onChoose(utterance);
        },
      },
    }, h("span", { textContent: `${speaker ? `${speaker}: ` : ""}${emotion}${uncertain ? "?" : ""}` }));
  }

  span({ start_s, end_s }) {
    const { duration } = this.player;
    return { left: `${(100 * start_s) / duration}%`, width: `${(100 * (end_s - start_s)) / duration}%` };
  }

  seekToPointer(event) {
    if (event.button !== 0) return;
    const box = this.stage.getBoundingClientRect();
    this.player.seek(((event.clientX - box.left) / box.width) * this.player.duration);
  }

  showTime() {
    const { time, duration } = this.player;
    this.cursor.hidden = time === 0;
    this.cursor.style.setProperty("left", `${(100 * time) / duration}%`);
    this.position.value = time;
    this.position.setAttribute("aria-valuetext", `${clock(time, 1)} of ${clock(duration)}`);
    this.time.textContent = `${clock(time, 1)} / ${clock(duration, 1)}`;
  }

  showState() {
    const { playing } = this.player;
    this.toggle.replaceChildren(icon(playing ? PAUSE : PLAY),
      h("span.visually-hidden", { textContent: playing ? "Pause" : "Play" }));
  }

  /** Draw the waveform as bars, grey outside the utterances. */
  draw() {
    const width = this.stage.clientWidth;
    const height = this.stage.clientHeight;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const count = Math.max(1, Math.floor(width / (BAR + GAP)));
    if (this.peaks?.length !== count) {
      this.peaks = this.samples ? peaks(this.samples, count) : new Float32Array(count).fill(0.08);
    }
    const silence = resolveColour("var(--strong-line)");
    const colours = new Map(this.utterances.map((u) => [u, resolveColour(colourOf(u.emotion))]));
    this.peaks.forEach((value, index) => {
      const time = ((index + 0.5) / count) * this.player.duration;
      const utterance = this.utterances.find((u) => u.start_s <= time && time < u.end_s);
      context.fillStyle = colours.get(utterance) ?? silence;
      const barHeight = Math.max(2, value ** 0.8 * (height - 44));
      context.beginPath();
      context.roundRect(index * (BAR + GAP), 26 + (height - 34 - barHeight) / 2, BAR, barHeight, BAR / 2);
      context.fill();
    });
  }

  close() {
    this.observer.disconnect();
  }
}

/** (count,) peak of each of `count` equal parts, relative to the largest. */
function peaks(samples, count) {
  const values = new Float32Array(count);
  const step = samples.length / count;
  let largest = 1e-4;
  for (let part = 0; part < count; part++) {
    const end = Math.min(samples.length, Math.max(Math.ceil((part + 1) * step), Math.floor(part * step) + 1));
    for (let i = Math.floor(part * step); i < end; i++) values[part] = Math.max(values[part], Math.abs(samples[i]));
    largest = Math.max(largest, values[part]);
  }
  return values.map((value) => value / largest);
}
