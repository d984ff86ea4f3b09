/** The answer as a whole: verdict, timeline, utterances, report. */

import { byId, h } from "./dom.js";
import { colourOf, meanProbabilities, ranked } from "./emotions.js";
import { length, percent } from "./format.js";
import { itemAt, Player } from "./player.js";
import { disagreement } from "./probabilities.js";
import { reportSection } from "./report.js";
import { Timeline } from "./timeline.js";
import { UtteranceCard } from "./utterance.js";

const FEW = 6;

export class AnswerView {
  /**
   * Shows the recording at once; what is found in it comes later.
   *
   * @param {{name: string, file: File, transcript: string, sound: object|null}} recording
   */
  constructor(recording) {
    this.recording = recording;
    this.root = byId("answer");
    this.cards = [];
    this.early = 0;
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
    this.early += 1;
    this.timeline?.add(utterance);
  }

  /** The whole answer. */
  show(answer) {
    this.answer = answer;
    if (!this.timeline) this.showTimeline(answer.audio.duration_s);
    this.timeline.clear();
    answer.utterances.forEach((utterance) => this.timeline.add(utterance));
    const few = answer.utterances.length <= FEW;
    this.cards = answer.utterances.map((u, i) => new UtteranceCard(u, i + 1, this.player, few || i === 0));
    this.root.prepend(this.verdict(), ...answer.warnings.map((warning) => h("p.note", { textContent: warning })));
    this.root.append(this.legend(), ...this.cards.map((card) => card.element),
      reportSection(this.recording.name, this.recording.transcript, answer), this.provenance());
    this.root.hidden = false;
  }

  verdict() {
    const { emotion, probabilities, utterances, audio } = this.answer;
    const apart = disagreement(meanProbabilities(utterances, "text_probabilities"),
      meanProbabilities(utterances, "audio_probabilities"));
    const count = utterances.length === 1 ? "1 utterance" : `${utterances.length} utterances`;
    return h("section.verdict", { aria: { label: "Verdict" }, style: { "--hue": colourOf(emotion) } },
      h("p.fine.about", { textContent: `${this.recording.name} · ${length(audio.duration_s)} · ${count}` }),
      h("h2", {}, h("span.emotion", { textContent: emotion }), " ",
        h("span.share", { textContent: percent(probabilities[emotion]) })),
      stack(probabilities),
      h("p.apart", { textContent: apart ?? "The words alone and the sound alone say the same." }));
  }

  legend() {
    const choose = (attention) => this.cards.forEach((card) => card.showAttention(attention));
    const option = (label, attention) => h("label", {},
      h("input", { type: "radio", name: "measure", checked: !attention, on: { change: () => choose(attention) } }),
      h("span", { textContent: label }));
    return h("div.legend", {},
      h("p", {}, h("i.key.text"), "its text", h("i.key.sound"), "its sound",
        h("span.fine", { textContent: "up is for the emotion, down against it" })),
      h("fieldset.segments", {}, h("legend.unseen", { textContent: "Bars show" }),
        option("Contribution", false), option("Attention", true)));
  }

  provenance() {
    const { model, aligner, timings_ms, audio } = this.answer;
    const rows = {
      "Scores by": `${model.name} ${model.version} on ${model.provider.replace("ExecutionProvider", "")}`,
      "Trained on": model.trained_on,
      "Licence of the weights": model.licence,
      "Words by": `${aligner.name} (${aligner.model}, ${aligner.language}): ${aligner.reason}`,
      "Sound": `${audio.sample_rate_hz} Hz, ${audio.channels === 1 ? "mono" : `${audio.channels} channels`}`,
      "Milliseconds": Object.entries(timings_ms).map(([stage, spent]) => `${stage} ${Math.round(spent)}`).join(", "),
    };
    return h("details.provenance", {}, h("summary", { textContent: "Who answered" }),
      h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) =>
        [h("dt", { textContent: name }), h("dd", { textContent: value })])));
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

function stack(probabilities) {
  return h("ul.stack", { aria: { label: "Probabilities" } },
    ...ranked(probabilities).map(([emotion, probability]) =>
      h("li", { style: { "flex-grow": Math.max(probability, 0.004), "--hue": colourOf(emotion) }, title: `${emotion} ${percent(probability)}` },
        h("span", { textContent: `${emotion} ${percent(probability)}` }))));
}
