/** Probabilities of all emotions: from words and voice combined, from the words alone, and from the voice alone. */

import { h } from "../lib/dom.js";
import { barSegments, colourOf, inOrder, ranked, swatch } from "../lib/emotions.js";
import { percent } from "../lib/format.js";

const SOURCES = [
  { title: "combined", field: "probabilities", colour: colourOf },
  { title: "words alone", field: "text_probabilities", colour: () => "var(--text)" },
  { title: "voice alone", field: "audio_probabilities", colour: () => "var(--sound)" },
];

/**
 * Probabilities of a whole result in the fields of an utterance. Those of the words alone and of the voice alone are means
 * over the utterances, weighted by duration.
 */
export function overallProbabilities({ probabilities: combined, utterances }) {
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const weights = utterances.map(({ start_s, end_s }) => end_s - start_s);
  const mean = (field) => Object.fromEntries(Object.keys(combined).map((emotion) =>
    [emotion, sum(utterances.map((utterance, i) => weights[i] * utterance[field][emotion])) / sum(weights)]));
  return Object.fromEntries(SOURCES.map(({ field }) => [field, field === "probabilities" ? combined : mean(field)]));
}

/**
 * A table of probabilities; a press on a row selects the emotion to explain.
 *
 * @param {object} utterance
 * @param {(emotion: string) => void} onExplain
 * @returns {{element: Element, mark: (emotion: string) => void}}
 */
export function probabilityTable(utterance, onExplain) {
  const best = SOURCES.map(({ field }) => ranked(utterance[field])[0][0]);
  const buttons = new Map();
  const rows = inOrder(Object.keys(utterance.probabilities)).map((emotion) => {
    const button = h("button.explain", {
      type: "button", title: `Show the evidence for “${emotion}”`, on: { click: () => onExplain(emotion) },
    }, swatch(emotion), h("span", { textContent: emotion }));
    buttons.set(emotion, button);
    return h("tr", {}, h("th", { scope: "row" }, button),
      ...SOURCES.map(({ field, colour }, index) =>
        cell(utterance[field][emotion], colour(emotion), best[index] === emotion)));
  });
  const element = h("table.probabilities", {},
    h("caption.visually-hidden", {}, "Probability of each emotion; press an emotion to see the evidence for it"),
    h("thead", {}, h("tr", {}, h("td"), ...SOURCES.map(({ title }) => h("th", { scope: "col", textContent: title })))),
    h("tbody", {}, ...rows));
  const mark = (selected) =>
    buttons.forEach((button, emotion) => button.setAttribute("aria-pressed", String(emotion === selected)));
  return { element, mark };
}

function cell(probability, colour, best) {
  return h(best ? "td.best" : "td", {},
    h("span.number", { textContent: percent(probability) }),
    h("span.track", { aria: { hidden: "true" } },
      h("i", { style: { width: `${100 * probability}%`, background: colour } })));
}

/**
 * Three stacked bars, one above the other: different colours show where words and voice differ.
 *
 * @param {object} overall see overallProbabilities
 */
export function comparison(overall) {
  const order = inOrder(Object.keys(overall.probabilities));
  const [[first]] = ranked(overall.probabilities);
  const described = (field) => ranked(overall[field]).map(([emotion, value]) => `${emotion} ${percent(value)}`);
  return h("div.comparison", {},
    ...SOURCES.map(({ title, field }) => {
      const text = described(field).join(", ");
      return h("div.comparison-row", {},
        h("span.fine", { textContent: title, aria: { hidden: "true" } }),
        h("div.stack", { role: "img", aria: { label: `${title}: ${text}` }, title: text },
          ...barSegments(overall[field])));
    }),
    h("ul.colours", { aria: { label: "Combined" } },
      ...order.map((emotion) => h(emotion === first ? "li.best" : "li", {}, swatch(emotion),
        `${emotion} ${percent(overall.probabilities[emotion])}`))));
}
