/** One utterance of a result: its words with their contributions, and its probabilities. */

import { h, icon, PLAY } from "../lib/dom.js";
import { colourOf, swatch } from "../lib/emotions.js";
import { percent, timeRange } from "../lib/format.js";
import { Words } from "./contributions.js";
import { agreement, probabilityTable } from "./probabilities.js";
import { hedge, reasons } from "./uncertainty.js";

export class UtteranceCard {
  /**
   * @param {object} utterance
   * @param {number} number from 1
   * @param {Player} player
   * @param {boolean} open whether the details are open at first
   */
  constructor(utterance, number, player, open) {
    Object.assign(this, { utterance, player, emotion: utterance.emotion, attention: false });
    const { emotion, start_s, end_s, probabilities, speaker, text } = utterance;
    const play = h("button.play.small", {
      type: "button", aria: { label: `Play utterance ${number}` }, on: { click: () => player.play(start_s, end_s) },
    }, icon(PLAY));
    this.details = h("details", { open, on: { toggle: () => this.build() } },
      h("summary", {},
        h("h3", { id: `utterance-${number}` },
          swatch(emotion), `${hedge(utterance)}${emotion} `, h("span.probability", { textContent: percent(probabilities[emotion]) })),
        h("span.utterance-text", { textContent: text || "(speech without a recognised word)" }),
        h("span.range", {}, speaker ? `${speaker} · ` : null, timeRange(start_s, end_s))));
    this.element = h("article.card.utterance", {
      aria: { labelledby: `utterance-${number}` }, style: { "--hue": colourOf(emotion) },
    }, play, this.details);
    if (open) this.build();
  }

  /** Build the details when they are first opened; a result may contain hundreds of utterances. */
  build() {
    if (this.words || !this.details.open) return;
    const { utterance } = this;
    this.words = new Words(utterance, (word) => this.player.play(word.start_s, word.end_s));
    this.table = probabilityTable(utterance, (emotion) => this.explain(emotion));
    this.heading = h("p.explanation-title.fine");
    const { disagree, sentence } = agreement(utterance);
    this.details.append(reasons(utterance) ?? "", h("div.utterance-body", {},
      h("div.explanation", {}, this.heading, this.words.element),
      h("div.scores", {}, this.table.element, disagree ? h("p.agreement.fine", { textContent: sentence }) : null)));
    this.explain(this.emotion);
  }

  /** Display the contributions to an emotion, or the attention. */
  explain(emotion) {
    this.emotion = emotion;
    if (!this.words) return;
    this.heading.replaceChildren(...(this.attention ? ["Attention to each word"]
      : ["Contributions to ", h("strong", { textContent: emotion })]));
    this.words.show(emotion, this.attention);
    this.table.mark(emotion);
  }

  showAttention(attention) {
    this.attention = attention;
    this.explain(this.emotion);
  }

  open() {
    this.details.open = true;
    this.build();
    this.element.scrollIntoView({ block: "nearest" });
  }

  highlight(word) {
    this.words?.highlight(word);
  }
}
