/** Doubt in words: about the emotion of a result or an utterance, and about single words. */

import { h } from "../lib/dom.js";
import { counted, sentence } from "../lib/format.js";

const MAX_LISTED = 8;

/** "Not sure: " before an uncertain emotion; else "". */
export function hedge({ uncertain }) {
  return uncertain ? "Not sure: " : "";
}

/** Reasons of the service in the language of the page; other reasons are displayed as they are. */
const REASONS = {
  "the sound is unlike the training data of the weights":
    "the voice or the recording is unlike those that the model was trained on",
  "most words are unknown to the weights": "the model was not trained on most of the words",
};

/** The reasons why an emotion is uncertain, as a sentence; null where none is known. */
export function reasons({ uncertain_reasons: given = [] }) {
  if (!given.length) return null;
  return h("p.reasons", { textContent: sentence(given.map((reason) => REASONS[reason] ?? reason).join("; ")) });
}

/** Why a word may be wrong; "" where nothing indicates it. */
export function doubtOf({ timing, doubtful }) {
  if (!doubtful) return "";
  if (timing === "interpolated") return "its time is a guess: the sound there does not match the word";
  return "the sound hardly matches the word";
}

/** A sentence about the doubtful words of an utterance; "" without one. */
export function doubtfulWords({ words }) {
  const doubtful = words.filter(doubtOf);
  if (!doubtful.length) return "";
  const listed = doubtful.slice(0, MAX_LISTED).map(({ word }) => `“${word}”`).join(", ");
  const more = doubtful.length > MAX_LISTED ? ` and ${doubtful.length - MAX_LISTED} more` : "";
  return `Doubtful: ${listed}${more}.`;
}

/** How many words of a result are doubtful, as a sentence; "" without one. */
export function doubtfulShare({ utterances }) {
  const words = utterances.flatMap((utterance) => utterance.words).filter(({ word }) => word);
  const doubtful = words.filter(doubtOf).length;
  if (!doubtful) return "";
  const are = doubtful === 1 ? "is" : "are";
  return `${doubtful} of ${counted(words.length, "word")} ${are} doubtful (marked with “?”). `;
}
