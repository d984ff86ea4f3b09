/** The answer as a whole: verdict, timeline, utterances, report. */

import { byId, h } from "../lib/dom.js";
import { colourOf } from "../lib/emotions.js";
import { alignerName, length, percent } from "../lib/format.js";
import { Legend } from "./contributions.js";
import { itemAt, Player } from "./player.js";
import { agreement, comparison, overallProbabilities } from "./probabilities.js";
import { provenance, reportSection } from "./report.js";
import { Timeline } from "./timeline.js";
import { UtteranceCard } from "./utterance.js";

const FEW = 6;

export class AnswerView {
  /**
   * Shows the recording at once; what is found in it comes later.
   *
   * @param {{name: string, file: File, transcript: string, sound: object|null}} recording
   * @param {(words: string) => void} onCorrect somebody wants to correct the words
   */
  constructor(recording, onCorrect) {
    Object.assign(this, { recording, onCorrect });
    this.root = byId("answer");
    this.cards = [];
    this.root.replaceChildren();
    if (recording.sound) this.showTimeline(recording.sound.duration);
  }

  showTimeline(duration) {
    this.player = new Player(this.recording.file, duration);
    this.timeline = new Timeline(this.player, this.recording.sound?.samples ?? null, (u) => this.choose(u));
    this.player.addEventListener("time", () => this.light());
    this.root.append(this.timeline.element);
    this.root.hidden = false;
  }

  /** An utterance that came before the whole answer. */
  addEarly(utterance) {
    this.timeline?.add(utterance);
  }

  /** The whole answer. */
  show(answer) {
    this.answer = answer;
    if (!this.timeline) this.showTimeline(answer.audio.duration_s);
    this.timeline.show(answer.utterances);
    const few = answer.utterances.length <= FEW;
    this.cards = answer.utterances.map((u, i) => new UtteranceCard(u, i + 1, this.player, few || i === 0));
    const legend = new Legend((attention) => this.cards.forEach((card) => card.showAttention(attention)));
    this.root.prepend(this.verdict(), ...answer.warnings.map((warning) => h("p.note", { textContent: warning })));
    this.root.append(legend.element, ...this.cards.map((card) => card.element), this.correction(),
      reportSection(this.recording.name, this.recording.transcript, answer), provenance(answer));
    this.root.hidden = false;
  }

  verdict() {
    const { emotion, probabilities, utterances, audio } = this.answer;
    const overall = overallProbabilities(this.answer);
    const count = utterances.length === 1 ? "1 utterance" : `${utterances.length} utterances`;
    return h("section.verdict", { aria: { label: "Verdict" }, style: { "--hue": colourOf(emotion) } },
      h("p.fine.about", { textContent: `${this.recording.name} · ${length(audio.duration_s)} · ${count}` }),
      h("h2", {}, h("span.emotion", { textContent: emotion }), " ",
        h("span.share", { textContent: percent(probabilities[emotion]) })),
      h("p.apart", { textContent: agreement(overall).words }),
      comparison(overall));
  }

  /** The way out where other words were said than were heard. */
  correction() {
    const { utterances, aligner } = this.answer;
    const given = this.recording.transcript.trim();
    const said = given || utterances.map(({ text }) => text).join(" ").trim();
    return h("p.correction.fine", {},
      given ? "These words were given. " : `${alignerName(aligner.name)} heard these words. Wrong words make wrong answers. `,
      h("button.link", { type: "button", textContent: "Correct the words", on: { click: () => this.onCorrect(said) } }));
  }

  choose(utterance) {
    this.cards[this.answer?.utterances.indexOf(utterance) ?? -1]?.open();
  }

  light() {
    if (!this.answer) return;
    const { playing, time } = this.player;
    const utterance = playing ? itemAt(this.answer.utterances, time) : null;
    this.answer.utterances.forEach((other, index) =>
      this.cards[index].light(other === utterance ? itemAt(other.words, time) : null));
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
