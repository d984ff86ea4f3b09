/** Probabilities of all classes from both, from text alone and from sound alone, side by side. */

import { h } from "../lib/dom.js";
import { colourOf, ranked } from "../lib/emotions.js";
import { percent } from "../lib/format.js";

const SIDES = [
  { title: "together", field: "probabilities", colour: (emotion) => colourOf(emotion) },
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
    }, h("i.swatch", { style: { background: colourOf(emotion) } }), h("span", { textContent: emotion }));
    buttons.set(emotion, button);
    return h("tr", {}, h("th", { scope: "row" }, button),
      ...SIDES.map((side, index) => cell(utterance[side.field][emotion], side.colour(emotion), best[index] === emotion)));
  });
  const element = h("table.probabilities", {},
    h("caption.unseen", { textContent: "Probability of each emotion; press one to see what the words gave to it" }),
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

/**
 * Three strips, one above the other: where their colours differ, words and sound say different things.
 *
 * @param {{together: object, text: object, sound: object}} shares probabilities by emotion
 */
export function comparison({ together, text, sound }) {
  const rows = [["together", together], ["text alone", text], ["sound alone", sound]];
  const order = ranked(together).map(([emotion]) => emotion);
  return h("div.comparison", {},
    ...rows.map(([title, shares]) => h("div.compared", {},
      h("span.fine", { textContent: title, aria: { hidden: "true" } }), strip(title, shares, order))),
    h("ul.colours", { aria: { label: "Together" } }, ...ranked(together).map(([emotion, share]) =>
      h("li", {}, h("i.swatch", { style: { background: colourOf(emotion) } }), `${emotion} ${percent(share)}`))));
}

function strip(title, shares, order) {
  const said = ranked(shares).map(([emotion, share]) => `${emotion} ${percent(share)}`).join(", ");
  return h("div.stack", { role: "img", aria: { label: `${title}: ${said}` }, title: said },
    ...order.map((emotion) => h("i", { style: { "flex-grow": shares[emotion], background: colourOf(emotion) } })));
}

/**
 * What text and sound say alone, beside what they say together.
 *
 * @returns {{apart: boolean, words: string}} whether they disagree, and that in a sentence
 */
export function agreement({ together, text, sound }) {
  const [[answer], [said, saidHow], [sounded, soundedHow]] = [together, text, sound].map((shares) => ranked(shares)[0]);
  if (said !== sounded) {
    return {
      apart: true,
      words: `Text and sound disagree: the words alone read ${said} (${percent(saidHow)}), the sound alone is ${sounded} (${percent(soundedHow)}).`,
    };
  }
  if (said !== answer) return { apart: true, words: `Text and sound, each alone, lean to ${said}; together they are ${answer}.` };
  return { apart: false, words: `Text and sound, each alone, say ${said} too.` };
}

/** The three kinds of probabilities of one utterance. */
export function sharesOf(utterance) {
  return {
    together: utterance.probabilities,
    text: utterance.text_probabilities,
    sound: utterance.audio_probabilities,
  };
}
