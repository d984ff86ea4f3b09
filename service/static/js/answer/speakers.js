/** The speakers of a recording: speaking time, emotion and probabilities of each. */

import { h } from "../lib/dom.js";
import { barSegments, swatch } from "../lib/emotions.js";
import { duration, percent } from "../lib/format.js";
import { hedge } from "./doubt.js";

/** A table with one row per speaker; null without speakers. */
export function speakerTable({ speakers = [] }) {
  if (!speakers.length) return null;
  const heads = ["speaker", "speaks", "emotion", "confidence", "all emotions"];
  return h("section.card.speakers", { aria: { labelledby: "speakers-title" } },
    h("h2", { id: "speakers-title", textContent: "Speakers" }),
    h("table.plain", {},
      h("thead", {}, h("tr", {}, ...heads.map((textContent) => h("th", { scope: "col", textContent })))),
      h("tbody", {}, ...speakers.map(row))));
}

function row(estimate) {
  const { speaker, spoken_s, emotion, confidence, probabilities } = estimate;
  const all = Object.entries(probabilities).map(([label, value]) => `${label} ${percent(value)}`).join(", ");
  return h("tr", {}, h("th", { scope: "row", textContent: speaker }),
    h("td", { textContent: duration(spoken_s) }),
    h("td", {}, swatch(emotion), `${hedge(estimate)}${emotion}`),
    h("td", { textContent: percent(confidence) }),
    h("td", {}, h("div.stack", { role: "img", aria: { label: all }, title: all }, ...barSegments(probabilities))));
}
