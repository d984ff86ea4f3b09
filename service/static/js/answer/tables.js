/** CSV files of results: one row per utterance or per word, rounded, in the form that spreadsheets open. */

import { inOrder } from "../lib/emotions.js";
import { doubtOf } from "./doubt.js";
import { contributionTo } from "./words.js";

/** Spreadsheets read a file as UTF-8 only with this mark. */
const BYTE_ORDER_MARK = "\ufeff";
const DIGITS = 4;

/** The columns of `can-ser predict --csv`; probabilities follow. */
const WORD_COLUMNS = [
  "file", "utterance", "utterance_start_s", "utterance_end_s", "speaker", "emotion", "confidence", "uncertain",
  "word", "start_s", "end_s", "timing", "score", "doubtful", "known", "text_attention", "audio_attention",
  "text_contribution", "audio_contribution",
];
const UTTERANCE_COLUMNS = [
  "file", "utterance", "start_s", "end_s", "speaker", "text", "emotion", "confidence", "uncertain", "reasons",
  "words", "doubtful_words",
];

/**
 * One row per word.
 *
 * @param {{name: string, result: object}[]} recordings
 */
export function wordTable(recordings) {
  return table(WORD_COLUMNS, recordings, (name, utterance, number) => utterance.words.map((word) => [
    name, number, utterance.start_s, utterance.end_s, utterance.speaker ?? null, utterance.emotion,
    utterance.confidence, utterance.uncertain, word.word, word.start_s, word.end_s, word.timing, word.score,
    word.doubtful, word.known, word.text_attention, word.audio_attention,
    ...Object.values(contributionTo(word, utterance.emotion)),
  ]));
}

/** One row per utterance; see wordTable. */
export function utteranceTable(recordings) {
  return table(UTTERANCE_COLUMNS, recordings, (name, utterance, number) => [[
    name, number, utterance.start_s, utterance.end_s, utterance.speaker ?? null, utterance.text, utterance.emotion,
    utterance.confidence, utterance.uncertain, (utterance.uncertain_reasons ?? []).join("; "),
    utterance.words.filter(({ word }) => word).length, utterance.words.filter(doubtOf).length,
  ]]);
}

function table(columns, recordings, rowsOf) {
  const labels = inOrder(Object.keys(recordings[0].result.probabilities));
  const prefixes = { p_: "probabilities", p_text_: "text_probabilities", p_audio_: "audio_probabilities" };
  const header = [...columns, ...Object.keys(prefixes).flatMap((prefix) => labels.map((label) => prefix + label))];
  const rows = recordings.flatMap(({ name, result }) => result.utterances.flatMap((utterance, index) => {
    const probabilities = Object.values(prefixes).flatMap((field) => labels.map((label) => utterance[field][label]));
    return rowsOf(name, utterance, index + 1).map((row) => [...row, ...probabilities]);
  }));
  return BYTE_ORDER_MARK + [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  if (value === null) return "";
  if (typeof value === "number") return String(Number(value.toFixed(DIGITS)));
  // A spreadsheet would run a text that begins like a formula.
  const text = String(value).replace(/^(?=[=+\-@\t])/, "'");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
