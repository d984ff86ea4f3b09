/** One utterance of a result: its words with their evidence, its probabilities, and its figures. */

import { h, icon, PLAY } from "../lib/dom.js";
import { colourOf, swatch } from "../lib/emotions.js";
import { percent, timeRange } from "../lib/format.js";
import { doubtfulWords, hedge, reasons } from "./doubt.js";
import { Figures } from "./figures.js";
import { probabilityTable } from "./probabilities.js";
import { agreement, evidence } from "./sentences.js";
import { sumsFor, Words } from "./words.js";

export class UtteranceCard {
  /**
   * @param {object} utterance
   * @param {number} number from 1
   * @param {Player} player
   * @param {{scale: object, open: boolean, onCorrect: (() => void)|null}} options see scaleOf; whether the details are
   *   open at first; called when the words were corrected, null where they cannot be corrected
   */
  constructor(utterance, number, player, { scale, open, onCorrect }) {
    Object.assign(this, { utterance, number, player, scale, onCorrect, emotion: utterance.emotion, attention: false });
    const { start_s, end_s } = utterance;
    const play = h("button.play.small", {
      type: "button", aria: { label: `Play utterance ${number}` }, on: { click: () => player.play(start_s, end_s) },
    }, icon(PLAY));
    this.details = h("details", { open, on: { toggle: () => this.build() } }, this.summary());
    this.element = h("article.card.utterance", {
      aria: { labelledby: `utterance-${number}` }, style: { "--hue": colourOf(utterance.emotion) },
    }, play, this.details);
    if (open) this.build();
  }

  summary() {
    const { utterance, number } = this;
    const { emotion, confidence, start_s, end_s, speaker, text } = utterance;
    return h("summary", {},
      h("h3", { id: `utterance-${number}` }, swatch(emotion), `${hedge(utterance)}${emotion} `,
        h("span.probability", { textContent: percent(confidence) })),
      h("span.utterance-text", { textContent: text || "(speech without a recognised word)" }),
      h("span.range", {}, speaker ? `${speaker} · ` : null, timeRange(start_s, end_s)));
  }

  /** Build the details when they are first opened; a result may contain hundreds of utterances. */
  build() {
    if (this.words || !this.details.open) return;
    const { utterance } = this;
    const play = (word) => this.player.play(word.start_s, word.end_s);
    this.words = new Words(utterance, this.scale, this.player.canPlay ? play : null);
    this.table = probabilityTable(utterance, (emotion) => this.explain(emotion));
    this.figures = new Figures(utterance);
    this.heading = h("p.explanation-title");
    this.details.append(reasons(utterance) ?? "", h("div.utterance-body", {},
      h("div.explanation", {}, this.heading, this.words.element, this.correction() ?? ""),
      h("div.scores", {}, this.table.element, h("p.agreement.fine", { textContent: agreement(utterance).sentence }))),
    this.figures.element);
    this.explain(this.emotion);
  }

  /** The doubtful words, and a form to correct the words of this utterance. */
  correction() {
    const doubtful = h("span.doubt", { textContent: doubtfulWords(this.utterance) });
    if (!this.onCorrect) return doubtful.textContent ? h("p.correct.fine", {}, doubtful) : null;
    const edit = h("button.link", {
      type: "button", textContent: "Correct these words",
      aria: { label: `Correct these words, utterance ${this.number}` },
      on: { click: () => line.replaceWith(this.correctionForm(line)) },
    });
    const line = h("p.correct.fine", {}, doubtful, doubtful.textContent ? " " : null, edit);
    return line;
  }

  /** The words: the corrected ones while the form is open. */
  get text() {
    return this.field?.value.trim() ?? this.utterance.text;
  }

  correctionForm(line) {
    const field = this.field = h("textarea", {
      value: this.utterance.text, rows: 2, spellcheck: false, required: true,
      aria: { label: `Words of utterance ${this.number}` },
    });
    const form = h("form.correct", {
      on: { submit: (event) => {
        event.preventDefault();
        this.onCorrect();
      } },
    }, field, h("div.row", {},
      h("button.primary", { type: "submit", textContent: "Analyse again" }),
      h("button.ghost", { type: "button", textContent: "Cancel", on: { click: () => {
        this.field = null;
        form.replaceWith(line);
      } } })));
    queueMicrotask(() => field.focus());
    return form;
  }

  /** Display the evidence for an emotion, or the attention. */
  explain(emotion) {
    this.emotion = emotion;
    if (!this.words) return;
    this.heading.replaceChildren(...(this.attention ? ["Attention to each word"] : [
      "Evidence for ", h("strong", { textContent: emotion }), `: ${evidence(sumsFor(this.utterance, emotion))}.`,
    ]));
    this.words.show(emotion, this.attention);
    this.table.mark(emotion);
    this.figures.show(emotion);
  }

  showAttention(attention) {
    this.attention = attention;
    this.explain(this.emotion);
  }

  open() {
    this.unfold();
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Open the details, and return whether they were closed. */
  unfold() {
    const closed = !this.details.open;
    this.details.open = true;
    this.build();
    return closed;
  }

  highlight(word) {
    this.words?.highlight(word);
  }
}
