/** The section of the page that displays a result: overall emotion, timeline, utterances, export. */

import { byId, h } from "../lib/dom.js";
import { colourOf } from "../lib/emotions.js";
import { alignerName, duration, percent } from "../lib/format.js";
import { Legend } from "./contributions.js";
import { itemAt, Player } from "./player.js";
import { agreement, comparison, overallProbabilities } from "./probabilities.js";
import { details, exportSection } from "./report.js";
import { Timeline } from "./timeline.js";
import { hedge, reasons } from "./uncertainty.js";
import { UtteranceCard } from "./utterance.js";

/** Above this number of utterances, only the first is open at first. */
const MAX_OPEN = 6;

export class AnswerView {
  /**
   * Display the recording; results follow.
   *
   * @param {{name: string, file: File, transcript: string, sound: object|null}} recording
   * @param {(words: string) => void} onCorrect called with the words when the user requests to correct them
   */
  constructor(recording, onCorrect) {
    Object.assign(this, { recording, onCorrect });
    this.root = byId("answer");
    this.cards = [];
    this.root.replaceChildren();
    if (recording.sound) this.showTimeline(recording.sound.duration);
  }

  showTimeline(seconds) {
    this.player = new Player(this.recording.file, seconds);
    this.timeline = new Timeline(this.player, this.recording.sound?.samples ?? null, (u) => this.openUtterance(u));
    this.player.addEventListener("time", () => this.highlight());
    this.root.append(this.timeline.element);
    this.root.hidden = false;
  }

  /** Display an utterance received before the complete result. */
  addEarly(utterance) {
    this.timeline?.add(utterance);
  }

  /** Display the complete result. */
  show(result) {
    this.result = result;
    const { audio, utterances, warnings } = result;
    if (!this.timeline) this.showTimeline(audio.duration_s);
    this.timeline.show(utterances);
    this.cards = utterances.map((utterance, index) =>
      new UtteranceCard(utterance, index + 1, this.player, index === 0 || utterances.length <= MAX_OPEN));
    const legend = new Legend((attention) => this.cards.forEach((card) => card.showAttention(attention)));
    this.root.prepend(this.overall(), ...warnings.map((warning) => h("p.note", { textContent: warning })));
    this.root.append(legend.element, ...this.cards.map((card) => card.element), this.correction(),
      exportSection(this.recording, result), details(result));
    this.root.hidden = false;
  }

  overall() {
    const { emotion, probabilities, utterances, audio } = this.result;
    const overall = overallProbabilities(this.result);
    const count = utterances.length === 1 ? "1 utterance" : `${utterances.length} utterances`;
    return h("section.overall", { aria: { label: "Overall emotion" }, style: { "--hue": colourOf(emotion) } },
      h("p.fine.file-info", { textContent: `${this.recording.name} · ${duration(audio.duration_s)} · ${count}` }),
      h("h2", {}, h("span.hedge", { textContent: hedge(this.result) }), h("span.emotion", { textContent: emotion }), " ",
        h("span.probability", { textContent: percent(probabilities[emotion]) })),
      reasons(this.result),
      h("p.agreement", { textContent: agreement(overall).sentence }),
      comparison(overall));
  }

  /** The source of the words, and a button to correct them. */
  correction() {
    const { utterances, aligner } = this.result;
    const given = this.recording.transcript.trim();
    const words = given || utterances.map(({ text }) => text).join(" ").trim();
    const source = given ? "The words are from the given transcript. "
      : `The words were recognised by ${alignerName(aligner.name)}. Wrong words change the result. `;
    const correct = { type: "button", textContent: "Correct the words", on: { click: () => this.onCorrect(words) } };
    return h("p.correction.fine", {}, source, h("button.link", correct));
  }

  openUtterance(utterance) {
    this.cards[this.result?.utterances.indexOf(utterance) ?? -1]?.open();
  }

  /** Highlight the word that is playing. */
  highlight() {
    if (!this.result) return;
    const { playing, time } = this.player;
    const current = playing ? itemAt(this.result.utterances, time) : null;
    this.result.utterances.forEach((utterance, index) =>
      this.cards[index].highlight(utterance === current ? itemAt(utterance.words, time) : null));
  }

  redraw() {
    this.timeline?.draw();
  }

  close() {
    this.player?.close();
    this.timeline?.close();
    this.root.replaceChildren();
    this.root.hidden = true;
  }
}
