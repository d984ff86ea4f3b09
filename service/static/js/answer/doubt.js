/** Doubt in words: about the emotion of a result or an utterance, and about single words. */

import { h } from "../lib/dom.js";
import { counted } from "../lib/format.js";
import { explain } from "./wording.js";

const MAX_LISTED = 8;

/** "Not sure: " before an uncertain emotion; else "". */
export function hedge({ uncertain }) {
  return uncertain ? "Not sure: " : "";
}

/** The reasons why an emotion is uncertain, as a sentence; null where none is known. */
export function reasons({ uncertain_reasons: given = [] }) {
  if (!given.length) return null;
  return h("p.reasons", { textContent: explain(given) });
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
