/** Figures of an utterance, folded: contributions, attention, times and scores of its words, and their sums. */

import { h } from "../lib/dom.js";
import { signed } from "../lib/format.js";
import { contributionTo, sumsFor } from "./words.js";

const COLUMNS = ["word", "from", "to", "text", "sound", "attention to text", "attention to sound", "score"];

export class Figures {
  /** @param {object} utterance of a result with full contributions */
  constructor(utterance) {
    this.utterance = utterance;
    this.element = h("details.figures.more", { on: { toggle: () => this.build() } },
      h("summary", { textContent: "Figures" }));
  }

  /** Set the emotion of the contributions. */
  show(emotion) {
    this.emotion = emotion;
    this.build();
  }

  build() {
    if (!this.element.open) return;
    this.body?.remove();
    const { words } = this.utterance;
    this.body = h("div", {},
      h("p.fine", { textContent: `Contributions are to ${this.emotion}; times are in seconds.` }),
      h("div.scroller", { tabIndex: 0, role: "group", aria: { label: "Figures of the words" } },
        h("table.plain", {},
          h("thead", {}, h("tr", {}, ...COLUMNS.map((textContent) => h("th", { scope: "col", textContent })))),
          h("tbody", {}, ...words.map((word) => this.row(word))))),
      h("p.fine", { textContent: this.total() }));
    this.element.append(this.body);
  }

  row(word) {
    const { text, sound } = contributionTo(word, this.emotion);
    const cells = [
      word.start_s.toFixed(2), word.end_s.toFixed(2), signed(text), signed(sound), word.text_attention.toFixed(2),
      word.audio_attention.toFixed(2), word.score === null ? "" : word.score.toFixed(2),
    ];
    return h("tr", {}, h("th", { scope: "row", textContent: word.word || "(no word)" }),
      ...cells.map((textContent) => h("td", { textContent })));
  }

  total() {
    const { text, sound } = sumsFor(this.utterance, this.emotion);
    const bias = this.utterance.bias[this.emotion];
    return `Sum of the text ${signed(text)}, sum of the sound ${signed(sound)}, bias ${signed(bias)}: total `
      + `${signed(text + sound + bias)}, the log-score of ${this.emotion} relative to the mean of all emotions.`;
  }
}
