/** Warnings and reasons of the service in the language of the page; others are displayed as they are. */

import { sentence } from "../lib/format.js";

const WORDING = [
  [/the sound is unlike the training data of the weights/,
    "the voice or the recording is unlike those that the model was trained on"],
  [/most words are unknown to the weights/, "the model was not trained on most of the words"],
  [/none of the words is in the vocabulary of the weights; of the text, only the number of words contributes/,
    "the model was not trained on any of these words, so that only the voice and the number of words count"],
  [/no word was recognised in (\d+) speech segments; their emotion comes from the audio alone/,
    "in parts of the speech ($1) no word was recognised, and only the voice counts there"],
  [/the audio does not match the transcript; all word times were interpolated/,
    "the text does not match the sound; the times of all words are guesses"],
  [/the audio does not match the transcript word by word; .* were interpolated/,
    "the text does not match the sound word by word; the times of some words are guesses"],
  [/could not be aligned; their times were interpolated/, "were not found in the sound; their times are guesses"],
  [/pronunciation guessed by letter-to-sound rules:/, "the pronunciation of these words was guessed:"],
  [/the band of the sound ends at [\d.]+ kHz(, as over a telephone)?/, "the recording has no high tones$1"],
  [/; the scores are less reliable/, ", which makes the result less reliable"],
  [/ \(signal-to-noise ratio about -?\d+ dB\)/, ""],
];

/** Messages of the service as one sentence. */
export function explain(messages) {
  return sentence(messages.map((message) =>
    WORDING.reduce((text, [pattern, wording]) => text.replace(pattern, wording), message)).join("; "));
}
