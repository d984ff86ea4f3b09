/** Emotions: their colours, their order, and bars made of them. */

import { h } from "./dom.js";

const KNOWN = ["angry", "happy", "excited", "sad", "frustrated", "surprised", "neutral", "calm", "fearful", "disgusted"];

/** Number of the colours --other-1, --other-2, … of labels outside the list; after the last one they begin again. */
const OTHERS = 8;
const others = new Map();

/** Choose the colours of the labels of the served model, so that a label outside the list always has the same one. */
export function registerLabels(labels) {
  labels.forEach(colourOf);
}

/** CSS colour of a label. */
export function colourOf(emotion) {
  if (KNOWN.includes(emotion)) return `var(--${emotion})`;
  if (!others.has(emotion)) others.set(emotion, others.size % OTHERS + 1);
  return `var(--other-${others.get(emotion)})`;
}

/** A CSS colour as rgb() in the current theme, for a canvas. */
export function resolveColour(colour) {
  const probe = document.createElement("i");
  probe.style.color = colour;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

/** Labels in the order in which every bar, table and file lists them; labels outside the list follow. */
export function inOrder(labels) {
  return [...KNOWN.filter((label) => labels.includes(label)), ...labels.filter((label) => !KNOWN.includes(label))];
}

/** [[emotion, probability], …] in descending order of probability. */
export function ranked(probabilities) {
  return Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
}

/** A dot in the colour of an emotion. */
export function swatch(emotion) {
  return h("i.swatch", { style: { background: colourOf(emotion) } });
}

/** Segments of a stacked bar: one per emotion, sized by probability. */
export function barSegments(probabilities) {
  return inOrder(Object.keys(probabilities)).map((emotion) =>
    h("i", { style: { "flex-grow": probabilities[emotion], background: colourOf(emotion) } }));
}
