/** Probabilities of all emotions: from text and sound combined, from text alone, and from sound alone. */

import { h } from "../lib/dom.js";
import { barSegments, colourOf, ranked, swatch } from "../lib/emotions.js";
import { percent } from "../lib/format.js";

const SOURCES = [
  { title: "combined", field: "probabilities", colour: colourOf },
  { title: "text alone", field: "text_probabilities", colour: () => "var(--text)" },
  { title: "sound alone", field: "audio_probabilities", colour: () => "var(--sound)" },
];

/**
 * Probabilities of a whole result in the fields of an utterance. Those of text alone and of sound alone are means over
 * the utterances, weighted by duration.
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
  const rows = ranked(utterance.probabilities).map(([emotion]) => {
    const button = h("button.explain", {
      type: "button", title: `Show the contributions to “${emotion}”`, on: { click: () => onExplain(emotion) },
    }, swatch(emotion), h("span", { textContent: emotion }));
    buttons.set(emotion, button);
    return h("tr", {}, h("th", { scope: "row" }, button),
      ...SOURCES.map(({ field, colour }, index) =>
        cell(utterance[field][emotion], colour(emotion), best[index] === emotion)));
  });
  const element = h("table.probabilities", {},
    h("caption.visually-hidden", {}, "Probability of each emotion; press an emotion to see the contributions to it"),
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
 * Three stacked bars, one above the other: different colours show where text and sound disagree.
 *
 * @param {object} overall see overallProbabilities
 */
export function comparison(overall) {
  const order = ranked(overall.probabilities).map(([emotion]) => emotion);
  const described = (field) => ranked(overall[field]).map(([emotion, value]) => `${emotion} ${percent(value)}`);
  return h("div.comparison", {},
    ...SOURCES.map(({ title, field }) => {
      const text = described(field).join(", ");
      return h("div.comparison-row", {},
        h("span.fine", { textContent: title, aria: { hidden: "true" } }),
        h("div.stack", { role: "img", aria: { label: `${title}: ${text}` }, title: text },
          ...barSegments(overall[field], order)));
    }),
    h("ul.colours", { aria: { label: "Combined" } },
      ...described("probabilities").map((text, index) => h("li", {}, swatch(order[index]), text))));
}

/**
 * Compare the most probable emotions of text alone, sound alone, and both combined.
 *
 * @param {object} probabilities an utterance, or see overallProbabilities
 * @returns {{disagree: boolean, sentence: string}}
 */
export function agreement(probabilities) {
  const best = SOURCES.map(({ field }) => ranked(probabilities[field])[0]);
  const [combined, text, sound] = best.map(([emotion]) => emotion);
  const [, textLabel, soundLabel] = best.map(([emotion, value]) => `${emotion} (${percent(value)})`);
  const sentence =
    text !== sound ? `Text and sound disagree: text alone suggests ${textLabel}, sound alone ${soundLabel}.`
    : text !== combined ? `Text alone and sound alone suggest ${text}; combined, they suggest ${combined}.`
    : `Text alone and sound alone also suggest ${text}.`;
  return { disagree: text !== sound || text !== combined, sentence };
}
