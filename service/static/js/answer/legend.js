/** What the two bars under each word mean, and the choice of what they show. */

import { h } from "../lib/dom.js";

const MEANINGS = {
  contribution: "Up speaks for the emotion, down against it; together they make its score. Press another emotion to see its bars.",
  attention: "How much the network looked at the word. To look is not yet to speak for an emotion or against it.",
};

export class Legend {
  /** @param {(attention: boolean) => void} onChoose whether the bars are to show attention */
  constructor(onChoose) {
    const option = (label, name) => h("label", {},
      h("input", { type: "radio", name: "measure", checked: name === "contribution", on: { change: () => {
        this.meaning.textContent = MEANINGS[name];
        onChoose(name === "attention");
      } } }),
      h("span", { textContent: label }));
    this.meaning = h("p.fine", { textContent: MEANINGS.contribution });
    this.element = h("div.legend", {},
      h("div", {},
        h("p", {}, "Two bars under each word: ", h("span.bar-key.text", { textContent: "its text" }), " and ",
          h("span.bar-key.sound", { textContent: "its sound" })),
        this.meaning),
      h("fieldset.segments", {}, h("legend.unseen", { textContent: "Bars show" }),
        option("Contribution", "contribution"), option("Attention", "attention")));
  }
}
