/** Sentences about a result: whether words and voice agree, and which of them is the evidence for an emotion. */

import { ranked } from "../lib/emotions.js";
import { signed } from "../lib/format.js";

/** A distribution is clear where its first emotion is at least so probable, and leads the second by this much. */
const CLEAR = { probability: 0.4, lead: 0.1 };
/** Contributions of a side to a log-score: below the first they are negligible; the others are ratios to the larger. */
const NEGLIGIBLE = 0.15;
const HARDLY = 0.25;
const ALIKE = 0.67;

function isClear(probabilities) {
  const [[, first], [, second] = ["", 0]] = ranked(probabilities);
  return first >= CLEAR.probability && first - second >= CLEAR.lead;
}

/**
 * Compare the words alone with the voice alone. They disagree only where both are clear.
 *
 * @param {object} estimate an utterance, or see overallProbabilities
 * @returns {{disagree: boolean, sentence: string}}
 */
export function agreement({ probabilities, text_probabilities, audio_probabilities }) {
  const best = [probabilities, text_probabilities, audio_probabilities].map((each) => ranked(each)[0][0]);
  const [combined, words, voice] = best;
  const disagree = isClear(text_probabilities) && isClear(audio_probabilities) && words !== voice;
  return { disagree, sentence: agreementSentence(combined, words, voice, {
    words: isClear(text_probabilities), voice: isClear(audio_probabilities),
  }) };
}

function agreementSentence(combined, words, voice, clear) {
  if (clear.words && clear.voice) {
    if (words !== voice) {
      return `The words and the voice disagree: the words suggest ${words}, the voice sounds ${voice}.`;
    }
    return words === combined ? `The words and the voice both suggest ${words}.`
      : `The words and the voice both suggest ${words}; combined, they suggest ${combined}.`;
  }
  if (clear.voice) return `The words say little; the voice sounds ${voice}.`;
  if (clear.words) return `The voice says little; the words suggest ${words}.`;
  return words === voice ? `Neither the words nor the voice are clear; both lean to ${words}.`
    : "Neither the words nor the voice are clear.";
}

/**
 * Which of words and voice support an emotion, from the sums of their contributions: "mostly the voice (+2.4), hardly
 * the words (+0.1)".
 */
export function evidence({ text, sound }) {
  const sides = [["the words", text], ["the voice", sound]].sort((a, b) => b[1] - a[1]);
  const [[larger, high], [smaller, low]] = sides;
  const [first, second] = [`${larger} (${signed(high, 1)})`, `${smaller} (${signed(low, 1)})`];
  if (high < NEGLIGIBLE) return `neither ${first} nor ${second}`;
  if (low < -NEGLIGIBLE) return `${first}, against ${second}`;
  if (low < HARDLY * high) return `mostly ${first}, hardly ${second}`;
  return low < ALIKE * high ? `more ${first} than ${second}` : `both ${first} and ${second}`;
}

/**
 * The effect of one word on an emotion.
 *
 * @param {{text: number, sound: number}} contribution
 * @param {string} emotion
 * @param {number} largest absolute contribution in the recording, which defines what is little
 */
export function wordEvidence({ text, sound }, emotion, largest) {
  const effect = (value) => (Math.abs(value) < 0.1 * largest ? "hardly matters"
    : value > 0 ? `supports ${emotion}` : `opposes ${emotion}`);
  const [ofText, ofSound] = [effect(text), effect(sound)];
  if (ofText !== ofSound) return `its text ${ofText}, its sound ${ofSound}`;
  return ofText === "hardly matters" ? "hardly matters" : `its text ${ofText}, and so does its sound`;
}
