/** The meaning of the two bars under each word, the choice of what they show, and of the whole result. */

import { h } from "../lib/dom.js";

const MEASURES = {
  Contribution: {
    keys: ["The words", "The voice"],
    meaning: "Bars above the line support the emotion, bars below oppose it. All bars of this recording have one scale. ",
    advice: "Press another emotion to see its bars.",
  },
  Attention: {
    keys: ["Attention to the words", "Attention to the voice"],
    meaning: "The weight of each word in the network. Attention does not show whether a word raises or lowers a score.",
    advice: "",
  },
};

const MEANING = {
  "The emotion":
    "The model knows a few emotions and distributes 100 % over them. The first one is shown; the confidence "
    + "is its share. Where it is under one half, or the sound is unlike anything the model was trained on, the page "
    + "states “Not sure”.",
  "Words and voice":
    "The model reads the words and the sound of the voice. “Words alone” and “voice alone” are its "
    + "answers with only one of them; “combined” is the answer with both. They may differ, as in irony.",
  "The bars":
    "Under each word: how much its text and its sound raise or lower the score of the emotion. The model reads "
    + "each word together with its neighbours, so a bar includes some of their effect.",
  "Doubtful words":
    "Words with a “?” hardly match the sound: they may be misrecognised, or the given text may differ from "
    + "what was said. Correct them and analyse again, because wrong words change the result.",
  "Limits":
    "The result is an estimate. It does not measure what a person feels, and it is less reliable for voices, "
    + "languages and rooms that differ from the training data.",
};

/** The meaning of the two bars under each word, and the choice of what they show. */
export class Legend {
  /** @param {(attention: boolean) => void} onChoose called with whether the bars show attention */
  constructor(onChoose) {
    const keys = [h("span.bar-key.text"), h("span.bar-key.sound")];
    const meaning = h("p.fine");
    const show = (name) => {
      keys.forEach((key, index) => (key.textContent = MEASURES[name].keys[index]));
      const { meaning: text, advice } = MEASURES[name];
      meaning.replaceChildren(text, h("span.screen-only", { textContent: advice }));
    };
    const options = Object.keys(MEASURES).map((name, index) => h("label", {},
      h("input", { type: "radio", name: "measure", checked: index === 0, on: { change: () => {
        show(name);
        onChoose(name === "Attention");
      } } }),
      h("span", { textContent: name })));
    show("Contribution");
    this.element = h("div.legend", {}, h("div", {}, h("p.bar-keys", {}, ...keys), meaning),
      h("fieldset.segments", {}, h("legend.visually-hidden", { textContent: "Bars show" }), ...options));
  }
}

/** Explanation of a result, folded. */
export function meaning() {
  return h("details.meaning.more", {}, h("summary", { textContent: "What does this mean?" }),
    h("dl", {}, ...Object.entries(MEANING).flatMap(([name, text]) =>
      [h("dt", { textContent: name }), h("dd", { textContent: text })])));
}
