/** The words of an utterance over two bars each: contributions or attention of text and sound. */

import { h, moveFocus } from "../lib/dom.js";
import { timeRange } from "../lib/format.js";
import { doubtOf } from "./doubt.js";
import { wordEvidence } from "./sentences.js";

const POINT = "Point at a word to read about it";
const PLAY_HINT = "press it to play it";

/** Contributions of text and sound at a word to the log-score of an emotion. */
export function contributionTo(word, emotion) {
  return { text: word.contribution.text[emotion], sound: word.contribution.audio[emotion] };
}

/** Sums of the contributions of text and sound over the words of an utterance. */
export function sumsFor({ words }, emotion) {
  const sums = { text: 0, sound: 0 };
  for (const word of words) {
    const { text, sound } = contributionTo(word, emotion);
    sums.text += text;
    sums.sound += sound;
  }
  return sums;
}

/**
 * One scale for all bars of a recording, so that bars of different utterances and emotions can be compared.
 *
 * @returns {{contribution: {low: number, high: number}, attention: {low: number, high: number}}}
 */
export function scaleOf(utterances) {
  const contribution = { low: 0, high: 0 };
  const attention = { low: 0, high: 0 };
  const extend = (range, value) => {
    range.low = Math.min(range.low, value);
    range.high = Math.max(range.high, value);
  };
  for (const word of utterances.flatMap(({ words }) => words)) {
    for (const side of Object.values(word.contribution)) {
      for (const value of Object.values(side)) extend(contribution, value);
    }
    extend(attention, word.text_attention);
    extend(attention, word.audio_attention);
  }
  return { contribution, attention };
}

/** The words of an utterance as buttons over their bars. */
export class Words {
  /**
   * @param {object} utterance of a result with full contributions
   * @param {object} scale see scaleOf
   * @param {((word: object) => void)|null} onPlay called when a word is pressed; null where there is no sound
   */
  constructor(utterance, scale, onPlay) {
    Object.assign(this, { onPlay, scale, words: utterance.words });
    this.detail = h("p.detail.fine");
    this.buttons = this.words.map((word, index) => this.button(word, index));
    this.row = h("div.words", {
      role: "group", aria: { label: onPlay ? "Words; press a word to play it" : "Words" },
      on: { keydown: (event) => moveFocus(this.buttons, event), pointerleave: () => this.describe(null) },
    }, ...this.buttons);
    this.element = h("div.words-block", {}, this.row, this.detail);
  }

  button(word, index) {
    const describe = () => this.describe(word);
    return h(doubtOf(word) ? "button.word.doubtful" : "button.word", {
      type: "button", tabIndex: index === 0 ? 0 : -1,
      on: { click: () => this.onPlay?.(word), focus: describe, pointerenter: describe },
    },
    h("span.spelling", { textContent: word.word || "(no word)" }),
    h("span.bars", { aria: { hidden: "true" } }, h("i.bar.text"), h("i.bar.sound")));
  }

  /** Draw the contributions to an emotion, or the attention. */
  show(emotion, attention) {
    Object.assign(this, { emotion, attention });
    const { low, high } = this.scale[attention ? "attention" : "contribution"];
    const range = high - low || 1;
    this.row.style.setProperty("--zero", `${(100 * -low) / range}%`);
    this.buttons.forEach((button, index) => {
      const values = this.values(this.words[index]);
      for (const side of ["text", "sound"]) {
        const bar = button.querySelector(`.${side}`);
        bar.style.setProperty("--height", `${(100 * Math.abs(values[side])) / range}%`);
        bar.classList.toggle("against", values[side] < 0);
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
    const { low, high } = this.scale.contribution;
    const effect = wordEvidence(contributionTo(word, this.emotion), this.emotion, Math.max(high, -low));
    const doubt = doubtOf(word);
    return [
      `${word.word || "(no word)"}: ${effect}`,
      timeRange(word.start_s, word.end_s),
      ...(doubt ? [`doubtful: ${doubt}`] : []),
      ...(word.known || !word.word ? [] : ["the model has not learned this word, only its sound counts"]),
    ].join("; ");
  }

  describe(word) {
    this.detail.textContent = word ? `${this.description(word)}.` : `${POINT}${this.onPlay ? `; ${PLAY_HINT}` : ""}.`;
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
