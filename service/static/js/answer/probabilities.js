/** Probabilities of all classes from both, from text alone and from sound alone, side by side. */

import { h } from "../lib/dom.js";
import { barSegments, colourOf, ranked, swatch } from "../lib/emotions.js";
import { percent } from "../lib/format.js";

const SOURCES = [
  { title: "together", field: "probabilities", colour: colourOf },
  { title: "text alone", field: "text_probabilities", colour: () => "var(--text)" },
  { title: "sound alone", field: "audio_probabilities", colour: () => "var(--sound)" },
];

/**
 * Probabilities of a whole result, in the fields of an utterance: those of text alone and of sound alone are means over
 * the utterances, weighted by duration.
 */
export function overallProbabilities({ probabilities, utterances }) {
  const duration = ({ start_s, end_s }) => end_s - start_s;
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const total = sum(utterances.map(duration));
  const mean = (field) => Object.fromEntries(Object.keys(probabilities).map((emotion) =>
    [emotion, sum(utterances.map((utterance) => duration(utterance) * utterance[field][emotion])) / total]));
  return { probabilities, text_probabilities: mean("text_probabilities"), audio_probabilities: mean("audio_probabilities") };
}

/**
 * A table of probabilities, whose rows choose the emotion that the words explain.
 *
 * @param {object} utterance
 * @param {(emotion: string) => void} onExplain
 * @returns {{element: Element, mark: (emotion: string) => void}}
 */
export function probabilityTable(utterance, onExplain) {
  const order = ranked(utterance.probabilities).map(([emotion]) => emotion);
  const best = SOURCES.map(({ field }) => ranked(utterance[field])[0][0]);
  const buttons = new Map();
  const rows = order.map((emotion) => {
    const button = h("button.explain", {
      type: "button", title: `Show what each word gave to “${emotion}”`,
      on: { click: () => onExplain(emotion) },
    }, swatch(emotion), h("span", { textContent: emotion }));
    buttons.set(emotion, button);
    return h("tr", {}, h("th", { scope: "row" }, button),
      ...SOURCES.map(({ field, colour }, index) => cell(utterance[field][emotion], colour(emotion), best[index] === emotion)));
  });
  const element = h("table.probabilities", {},
    h("caption.unseen", { textContent: "Probability of each emotion; press one to see what the words gave to it" }),
    h("thead", {}, h("tr", {}, h("td"), ...SOURCES.map(({ title }) => h("th", { scope: "col", textContent: title })))),
    h("tbody", {}, ...rows));
  const mark = (emotion) => buttons.forEach((button, name) => button.setAttribute("aria-pressed", String(name === emotion)));
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
  const described = (probabilities) => ranked(probabilities).map(([emotion, share]) => `${emotion} ${percent(share)}`);
  return h("div.comparison", {},
    ...SOURCES.map(({ title, field }) => {
      const text = described(overall[field]).join(", ");
      return h("div.compared", {},
        h("span.fine", { textContent: title, aria: { hidden: "true" } }),
        h("div.stack", { role: "img", aria: { label: `${title}: ${text}` }, title: text }, ...barSegments(overall[field], order)));
    }),
    h("ul.colours", { aria: { label: "Together" } },
      ...described(overall.probabilities).map((text, index) => h("li", {}, swatch(order[index]), text))));
}

/**
 * What text and sound say alone, beside what they say together.
 *
 * @returns {{apart: boolean, words: string}} whether they disagree, and that in a sentence
 */
export function agreement(probabilities) {
  const [[answer], [said, saidHow], [sounded, soundedHow]] = SOURCES.map(({ field }) => ranked(probabilities[field])[0]);
  if (said !== sounded) {
    return {
      apart: true,
      words: `Text and sound disagree: the words alone read ${said} (${percent(saidHow)}), the sound alone is ${sounded} (${percent(soundedHow)}).`,
    };
  }
  if (said !== answer) return { apart: true, words: `Text and sound, each alone, lean to ${said}; together they are ${answer}.` };
  return { apart: false, words: `Text and sound, each alone, say ${said} too.` };
}
