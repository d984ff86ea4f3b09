/** Contributions and attention: two bars under every word, and their legend. */

import { h, moveFocus } from "../lib/dom.js";
import { signed } from "../lib/format.js";

/** Contributions of text and sound at a word to the log-score of an emotion. */
export function contributionTo(word, emotion) {
  return { text: word.contribution.text[emotion], sound: word.contribution.audio[emotion] };
}

/** The words of an utterance as buttons over their bars. */
export class Words {
  /**
   * @param {object} utterance of a result with full contributions
   * @param {(word: object) => void} onPlay called when a word is pressed
   */
  constructor(utterance, onPlay) {
    Object.assign(this, { onPlay, words: utterance.words, bias: utterance.bias });
    this.detail = h("p.detail.fine");
    this.buttons = this.words.map((word, index) => this.button(word, index));
    this.row = h("div.words", {
      role: "group", aria: { label: "Words; press a word to play it" },
      on: { keydown: (event) => moveFocus(this.buttons, event), pointerleave: () => this.describe(null) },
    }, ...this.buttons);
    this.element = h("div.words-block", {}, this.row, this.detail);
  }

  button(word, index) {
    const uncertain = !word.known || word.timing === "interpolated";
    const describe = () => this.describe(word);
    return h(uncertain ? "button.word.uncertain" : "button.word", {
      type: "button", tabIndex: index === 0 ? 0 : -1,
      on: { click: () => this.onPlay(word), focus: describe, pointerenter: describe },
    },
    h("span.spelling", { textContent: word.word || "(no word)" }),
    h("span.bars", { aria: { hidden: "true" } }, h("i.bar.text"), h("i.bar.sound")));
  }

  /** Draw the contributions to an emotion, or the attention. */
  show(emotion, attention) {
    Object.assign(this, { emotion, attention });
    const values = this.words.map((word) => this.values(word));
    const all = values.flatMap(({ text, sound }) => [text, sound]);
    const bottom = Math.min(0, ...all);
    const range = Math.max(0, ...all) - bottom || 1;
    const largest = all.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    this.row.style.setProperty("--zero", `${(100 * -bottom) / range}%`);
    this.buttons.forEach((button, index) => {
      for (const side of ["text", "sound"]) {
        const value = values[index][side];
        const bar = button.querySelector(`.${side}`);
        bar.style.setProperty("--height", `${(100 * Math.abs(value)) / range}%`);
        bar.classList.toggle("against", value < 0);
        // The largest value states the scale, which differs between utterances.
        bar.dataset.value = value !== largest ? "" : attention ? value.toFixed(2) : signed(value);
      }
      button.setAttribute("aria-label", this.description(this.words[index]));
    });
    this.describe(null);
  }

  values(word) {
    if (this.attention) return { text: word.text_attention, sound: word.audio_attention };
    return contributionTo(word, this.emotion);
  }

  description(word) {
    const { text, sound } = contributionTo(word, this.emotion);
    const timing = word.timing === "interpolated" ? " (interpolated)" : "";
    return [
      `${word.word || "(no word)"}: contribution to ${this.emotion}: text ${signed(text)}, sound ${signed(sound)}`,
      `attention: text ${word.text_attention.toFixed(2)}, sound ${word.audio_attention.toFixed(2)}`,
      `${word.start_s.toFixed(2)} to ${word.end_s.toFixed(2)}\u00a0s${timing}`,
      ...(word.known ? [] : ["not in the vocabulary of the network"]),
    ].join("; ");
  }

  sums() {
    const contributions = this.words.map((word) => contributionTo(word, this.emotion));
    const sum = (side) => contributions.reduce((total, contribution) => total + contribution[side], 0);
    const [text, sound, bias] = [sum("text"), sum("sound"), this.bias[this.emotion]];
    return `Sum of the text ${signed(text)}, sum of the sound ${signed(sound)}, bias ${signed(bias)}: total `
      + `${signed(text + sound + bias)}, the log-score of ${this.emotion} relative to the mean of all emotions.`;
  }

  describe(word) {
    if (word) this.detail.textContent = this.description(word);
    else if (this.attention) this.detail.textContent = "Point at a word for its values; press it to play it.";
    else this.detail.textContent = this.sums();
  }

  /** Highlight one word, or none. */
  highlight(word) {
    if (word === this.highlighted) return;
    this.highlighted = word;
    this.buttons.forEach((button, index) => {
      if (this.words[index] === word) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  }
}

const MEASURES = {
  Contribution: {
    keys: ["Contribution of the text", "Contribution of the sound"],
    meaning: "Bars above the line raise the score of the emotion, bars below lower it; with a bias they sum exactly to "
      + "its log-score. Each bar is the contribution of the network’s state at a word, which carries context from the "
      + "neighbouring words; to see what a word alone contributes, leave it out and compare. "
      + "Press another emotion to see its bars.",
  },
  Attention: {
    keys: ["Attention to the text", "Attention to the sound"],
    meaning: "The weight of each word in the network. Attention does not show whether a word raises or lowers a score.",
  },
};

/** The meaning of the two bars under each word, and the choice of what they show. */
export class Legend {
  /** @param {(attention: boolean) => void} onChoose called with whether the bars show attention */
  constructor(onChoose) {
    const keys = [h("span.bar-key.text"), h("span.bar-key.sound")];
    const meaning = h("p.fine");
    const show = (name) => {
      keys.forEach((key, index) => (key.textContent = MEASURES[name].keys[index]));
      meaning.textContent = MEASURES[name].meaning;
    };
    const options = Object.keys(MEASURES).map((name, index) => h("label", {},
      h("input", { type: "radio", name: "measure", checked: index === 0, on: { change: () => {
        show(name);
        onChoose(name === "Attention");
      } } }),
      h("span", { textContent: name })));
    show("Contribution");
    this.element = h("div.legend", {}, h("div", {}, h("p.bar-keys", {}, ...keys), meaning),
      h("fieldset.segments", {}, h("legend.visually-hidden", { textContent: "Bars show" }), ...options));
  }
}
