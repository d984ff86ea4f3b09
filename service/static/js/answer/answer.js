/** The section of the page that displays a result: overall emotion, timeline, utterances, download. */

import { byId, h } from "../lib/dom.js";
import { colourOf } from "../lib/emotions.js";
import { alignerName, counted, duration, percent } from "../lib/format.js";
import { doubtfulShare, hedge, reasons } from "./doubt.js";
import { Legend, meaning } from "./legend.js";
import { itemAt, Player } from "./player.js";
import { comparison, overallProbabilities } from "./probabilities.js";
import { details, downloadSection } from "./report.js";
import { agreement } from "./sentences.js";
import { speakerTable } from "./speakers.js";
import { Timeline } from "./timeline.js";
import { UtteranceCard } from "./utterance.js";
import { explain } from "./wording.js";
import { scaleOf } from "./words.js";

/** Above this number of utterances, only the first is open at first. */
const MAX_OPEN = 6;

export class AnswerView {
  /**
   * Display the recording; results follow.
   *
   * @param {Recording} recording
   * @param {{samples: Float32Array, duration: number}|null} sound null where the browser cannot decode the file
   * @param {{onEdit: (words: string) => void, onCorrect: (words: string) => void}} actions called with all words when
   *   the user requests to edit them, and when the words of utterances were corrected
   */
  constructor(recording, sound, actions) {
    Object.assign(this, { recording, sound, actions });
    this.root = byId("answer");
    this.cards = [];
    this.root.replaceChildren();
    if (sound) this.showTimeline(sound.duration);
  }

  showTimeline(seconds) {
    this.player = new Player(this.recording.file, seconds);
    this.timeline = new Timeline(this.player, this.sound?.samples ?? null, (u) => this.openUtterance(u));
    this.player.addEventListener("time", () => this.highlight());
    this.root.append(this.timeline.element);
    this.root.classList.toggle("silent", !this.player.canPlay);
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
    this.cards = this.makeCards(utterances);
    const legend = new Legend((attention) => this.cards.forEach((card) => card.showAttention(attention)));
    this.root.prepend(this.overall(), ...[...this.notes(), ...warnings].map((warning) =>
      h("p.note", { textContent: explain([warning]) })));
    this.root.append(...[
      speakerTable(result), meaning(), legend.element, ...this.cards.map((card) => card.element), this.source(),
      downloadSection(this.recording, result), details(result),
    ].filter(Boolean));
    this.root.hidden = false;
  }

  notes() {
    const { notes, file, name } = this.recording;
    if (file) return notes;
    return [...notes, `The page was reloaded and no longer has the sound. Choose ${name} again to play it.`];
  }

  makeCards(utterances) {
    const scale = scaleOf(utterances);
    return utterances.map((utterance, index) => new UtteranceCard(utterance, index + 1, this.player, {
      scale, open: index === 0 || utterances.length <= MAX_OPEN,
      onCorrect: this.recording.takesTranscript ? () => this.correct() : null,
    }));
  }

  overall() {
    const { emotion, confidence, utterances, audio } = this.result;
    const overall = overallProbabilities(this.result);
    const about = [this.recording.name, duration(audio.duration_s), counted(utterances.length, "utterance")];
    return h("section.overall", { aria: { label: "Overall emotion" }, style: { "--hue": colourOf(emotion) } },
      h("p.fine.file-info", { textContent: about.join(" · ") }),
      h("p.fine.print-only", { textContent: `Report of ${new Date().toLocaleString()}` }),
      h("h2", {}, h("span.hedge", { textContent: hedge(this.result) }), h("span.emotion", { textContent: emotion }), " ",
        h("span.probability", { textContent: `${percent(confidence)} confidence` })),
      reasons(this.result),
      h("p.agreement", { textContent: agreement(overall).sentence }),
      comparison(overall));
  }

  /** The source of the words, how many are doubtful, and a button to edit them. */
  source() {
    const { aligner } = this.result;
    const given = this.recording.transcript.trim();
    const source = given ? "The words are from the given text. "
      : `The words were recognised by ${alignerName(aligner.name)}. Wrong words change the result. `;
    const onEdit = () => this.actions.onEdit(this.words());
    const edit = { type: "button", textContent: "Correct the words", on: { click: onEdit } };
    return h("p.source.fine", {}, source, doubtfulShare(this.result),
      this.recording.takesTranscript ? h("button.link", edit) : null);
  }

  /** All words: the given text, else those of the utterances. */
  words() {
    return this.recording.transcript.trim() || this.result.utterances.map(({ text }) => text).join(" ").trim();
  }

  /** Analyse again with the words of all open corrections. */
  correct() {
    this.actions.onCorrect(this.cards.map(({ text }) => text).filter(Boolean).join(" "));
  }

  openUtterance(utterance) {
    this.cards[this.result?.utterances.indexOf(utterance) ?? -1]?.open();
  }

  /** Highlight the words that are playing. */
  highlight() {
    if (!this.result) return;
    const { playing, time } = this.player;
    this.result.utterances.forEach(({ start_s, end_s, words }, index) =>
      this.cards[index].highlight(playing && start_s <= time && time < end_s ? itemAt(words, time) : null));
  }

  /** Open every utterance for a printed report, and return a function that closes them again. */
  unfold() {
    const opened = this.cards.filter((card) => card.unfold()).map((card) => card.details);
    for (const origin of this.root.querySelectorAll(".provenance:not([open])")) {
      origin.open = true;
      opened.push(origin);
    }
    return () => opened.forEach((element) => (element.open = false));
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
