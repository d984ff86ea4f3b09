/** Uncertain emotions in words: of a whole result, or of an utterance. */

import { h } from "../lib/dom.js";

/** "Not sure: " before an uncertain emotion; else "". */
export function hedge({ uncertain }) {
  return uncertain ? "Not sure: " : "";
}

/** The reasons why an emotion is uncertain, as a sentence; null where none is known. */
export function reasons({ uncertain_reasons: given }) {
  if (!given.length) return null;
  const text = given.join("; ");
  return h("p.reasons", { textContent: `${text[0].toUpperCase()}${text.slice(1)}.` });
}
