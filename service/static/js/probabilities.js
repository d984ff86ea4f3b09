/** All classes, from both, from text alone and from sound alone, side by side. */

import { h } from "./dom.js";
import { colourOf, ranked } from "./emotions.js";
import { percent } from "./format.js";

const SIDES = [
  { title: "both", field: "probabilities", colour: (emotion) => colourOf(emotion) },
  { title: "text alone", field: "text_probabilities", colour: () => "var(--text)" },
  { title: "sound alone", field: "audio_probabilities", colour: () => "var(--sound)" },
];

/**
 * A table of probabilities, whose rows choose the emotion that the words explain.
 *
 * @param {object} utterance
 * @param {(emotion: string) => void} onExplain
 * @returns {{element: Element, mark: (emotion: string) => void}}
 */
export function probabilityTable(utterance, onExplain) {
  const order = ranked(utterance.probabilities).map(([emotion]) => emotion);
  const best = SIDES.map(({ field }) => ranked(utterance[field])[0]?.[0]);
  const buttons = new Map();
  const rows = order.map((emotion) => {
    const button = h("button.explain", {
      type: "button", title: `Show what each word gave to “${emotion}”`,
      on: { click: () => onExplain(emotion) },
    }, h("i.swatch", { style: { background: colourOf(emotion) } }), emotion);
    buttons.set(emotion, button);
    return h("tr", {}, h("th", { scope: "row" }, button),
      ...SIDES.map((side, index) => cell(utterance[side.field][emotion], side.colour(emotion), best[index] === emotion)));
  });
  const element = h("table.probabilities", {},
    h("caption.unseen", { textContent: "Probability of each emotion" }),
    h("thead", {}, h("tr", {}, h("td"), ...SIDES.map(({ title }) => h("th", { scope: "col", textContent: title })))),
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

/** In words, when text alone and sound alone name different emotions; null when they agree. */
export function disagreement(text, sound) {
  const [said, saidHow] = ranked(text)[0];
  const [sounded, soundedHow] = ranked(sound)[0];
  if (said === sounded) return null;
  return `The words alone read ${said} (${percent(saidHow)}), the sound alone is ${sounded} (${percent(soundedHow)}).`;
}
