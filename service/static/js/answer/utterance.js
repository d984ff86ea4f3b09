/** One utterance of an answer: its words with what they gave, and its probabilities. */

import { h, icon, PLAY } from "../lib/dom.js";
import { colourOf, swatch } from "../lib/emotions.js";
import { percent, range } from "../lib/format.js";
import { Words } from "./contributions.js";
import { agreement, probabilityTable } from "./probabilities.js";

export class UtteranceCard {
  /**
   * @param {object} utterance
   * @param {number} number from 1
   * @param {Player} player
   * @param {boolean} open whether it shows everything at first
   */
  constructor(utterance, number, player, open) {
    Object.assign(this, { utterance, player, attention: false });
    this.emotion = utterance.emotion;
    const { emotion, start_s, end_s, probabilities, speaker, text } = utterance;
    this.play = h("button.play.small", {
      type: "button", aria: { label: `Play utterance ${number}` }, on: { click: () => player.play(start_s, end_s) },
    }, icon(PLAY));
    this.details = h("details", { open, on: { toggle: () => this.fill() } },
      h("summary", {},
        h("h3", { id: `utterance-${number}` },
          swatch(emotion), `${emotion} `, h("span.share", { textContent: percent(probabilities[emotion]) })),
        h("span.said", { textContent: text || "(speech without a recognised word)" }),
        h("span.range", { textContent: speaker ? `${speaker} · ${range(start_s, end_s)}` : range(start_s, end_s) })));
    this.element = h("article.card.utterance", {
      aria: { labelledby: `utterance-${number}` }, style: { "--hue": colourOf(emotion) },
    }, this.play, this.details);
    if (open) this.fill();
  }

  /** Builds what is inside when it is first opened: an answer may hold hundreds. */
  fill() {
    if (this.words || !this.details.open) return;
    const { utterance } = this;
    this.words = new Words(utterance, (word) => this.player.play(word.start_s, word.end_s));
    this.table = probabilityTable(utterance, (emotion) => this.explain(emotion));
    this.heading = h("p.explained.fine");
    const { apart, words } = agreement(utterance);
    this.details.append(h("div.inside", {},
      h("div.why", {}, this.heading, this.words.element),
      h("div.how-sure", {}, this.table.element, apart ? h("p.apart.fine", { textContent: words }) : null)));
    this.explain(this.emotion);
  }

  explain(emotion) {
    this.emotion = emotion;
    if (!this.words) return;
    this.heading.replaceChildren(this.attention ? "Where the network looked" : "What each word gave to ",
      this.attention ? "" : h("strong", { textContent: emotion }));
    this.words.show(emotion, this.attention);
    this.table.mark(emotion);
  }

  showAttention(attention) {
    this.attention = attention;
    this.explain(this.emotion);
  }

  open() {
    this.details.open = true;
    this.fill();
    this.element.scrollIntoView({ block: "nearest" });
  }

  light(word) {
    this.words?.light(word);
  }
}
