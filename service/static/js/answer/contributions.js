/** What each word gave: two bars under every word, upwards for the emotion that is explained, downwards against it. */

import { h, stepBetween } from "../lib/dom.js";
import { signed } from "../lib/format.js";

/** Contributions of a word's text and sound to the log-score of an emotion. */
export function contributionTo(word, emotion) {
  return { text: word.contribution.text[emotion], sound: word.contribution.audio[emotion] };
}

/** The words of an utterance as buttons over their bars; arrow keys go from word to word. */
export class Words {
  /**
   * @param {object} utterance of an answer with full contributions
   * @param {(word: object) => void} onPlay a word was pressed
   */
  constructor(utterance, onPlay) {
    this.utterance = utterance;
    this.words = utterance.words;
    this.onPlay = onPlay;
    this.detail = h("p.detail.fine");
    this.buttons = this.words.map((word, index) => this.button(word, index));
    this.row = h("div.words", { role: "group", aria: { label: "Words; press one to hear it" } }, ...this.buttons);
    this.row.addEventListener("keydown", (event) => stepBetween(this.buttons, event));
    this.row.addEventListener("pointerleave", () => this.describe(null));
    this.element = h("div.words-block", {}, this.row, this.detail);
  }

  button(word, index) {
    const doubtful = !word.known || word.timing === "interpolated";
    return h(doubtful ? "button.word.doubtful" : "button.word", {
      type: "button", tabIndex: index === 0 ? 0 : -1,
      on: {
        click: () => this.onPlay(word),
        focus: () => this.describe(word),
        pointerenter: () => this.describe(word),
      },
    },
    h("span.spelling", { textContent: word.word || "(no word)" }),
    h("span.bars", { aria: { hidden: "true" } }, h("i.bar.text"), h("i.bar.sound")));
  }

  /** Shows what was given to an emotion, or where the network looked. */
  show(emotion, attention) {
    Object.assign(this, { emotion, attention });
    const values = this.words.map((word) => this.values(word));
    const all = values.flatMap(({ text, sound }) => [text, sound]);
    const top = Math.max(0, ...all);
    const bottom = Math.min(0, ...all);
    const range = top - bottom || 1;
    const longest = all.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    this.row.style.setProperty("--zero", `${(100 * -bottom) / range}%`);
    this.buttons.forEach((button, index) => {
      for (const side of ["text", "sound"]) {
        const value = values[index][side];
        const bar = button.querySelector(`.${side}`);
        bar.style.setProperty("--height", `${(100 * Math.abs(value)) / range}%`);
        bar.classList.toggle("against", value < 0);
        // One figure gives the scale, which is each utterance's own.
        bar.dataset.value = value === longest ? this.figure(value) : "";
      }
      button.setAttribute("aria-label", this.sentence(this.words[index]));
    });
    this.describe(null);
  }

  figure(value) {
    return this.attention ? value.toFixed(2) : signed(value);
  }

  values(word) {
    return this.attention ? { text: word.text_attention, sound: word.audio_attention } : contributionTo(word, this.emotion);
  }

  sentence(word) {
    const { text, sound } = contributionTo(word, this.emotion);
    const notes = [
      `${word.start_s.toFixed(2)} to ${word.end_s.toFixed(2)} s`,
      word.timing === "interpolated" ? "time interpolated" : null,
      word.known ? null : "the network does not know this word",
    ].filter((note) => note !== null).join(", ");
    const looked = `attention ${word.text_attention.toFixed(2)} and ${word.audio_attention.toFixed(2)}`;
    return `${word.word || "(no word)"}: to ${this.emotion}, its text gave ${signed(text)}, its sound ${signed(sound)}; ${looked}; ${notes}`;
  }

  addUp() {
    const contributions = this.words.map((word) => contributionTo(word, this.emotion));
    const total = (side) => contributions.reduce((sum, contribution) => sum + contribution[side], 0);
    const [text, sound] = [total("text"), total("sound")];
    const bias = this.utterance.bias[this.emotion];
    return `All text ${signed(text)}, all sound ${signed(sound)}, the network’s own bias ${signed(bias)}: `
      + `${signed(text + sound + bias)}, the log-score of ${this.emotion} above the mean of all emotions.`;
  }

  describe(word) {
    if (word) this.detail.textContent = this.sentence(word);
    else this.detail.textContent = this.attention ? "Point at a word for its figures; press it to hear it." : this.addUp();
  }

  /** Lights one word, or none. */
  light(word) {
    if (word === this.lit) return;
    this.lit = word;
    this.buttons.forEach((button, index) => {
      if (this.words[index] === word) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
  }
}

const MEANINGS = {
  contribution: "Up speaks for the emotion, down against it; together they make its score. Press another emotion to see its bars.",
  attention: "How much the network looked at the word. To look is not yet to speak for an emotion or against it.",
};

/** What the two bars under each word mean, and the choice of what they show. */
export class Legend {
  /** @param {(attention: boolean) => void} onChoose whether the bars are to show attention */
  constructor(onChoose) {
    const option = (label, name) => h("label", {},
      h("input", { type: "radio", name: "measure", checked: name === "contribution", on: { change: () => {
        this.meaning.textContent = MEANINGS[name];
        onChoose(name === "attention");
      } } }),
      h("span", { textContent: label }));
    this.meaning = h("p.fine", { textContent: MEANINGS.contribution });
    this.element = h("div.legend", {},
      h("div", {},
        h("p", {}, "Two bars under each word: ", h("span.bar-key.text", { textContent: "its text" }), " and ",
          h("span.bar-key.sound", { textContent: "its sound" })),
        this.meaning),
      h("fieldset.segments", {}, h("legend.unseen", { textContent: "Bars show" }),
        option("Contribution", "contribution"), option("Attention", "attention")));
  }
}
