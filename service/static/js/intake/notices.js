/** What the page says while it works, and when it cannot: progress, problems, the question for a key. */

import { Problem, savedKey } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";

/**
 * Progress.
 *
 * @param {string} text
 * @param {number|null} share done, 0 to 1; null where nobody knows
 */
export function showProgress(text, share) {
  byId("status").hidden = false;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

export function hideProblem() {
  byId("problem").hidden = true;
  byId("key-form").hidden = true;
}

/**
 * A problem in words; whatever else is thrown is a mistake of the page, and is thrown on.
 *
 * @param {unknown} error
 * @param {{name?: string, again?: (() => void)|null}} about the recording's name, and how to ask once more
 */
export function showProblem(error, { name = "", again = null } = {}) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    askForKey();
    return;
  }
  const wait = error.retryAfter ? `Try again in ${error.retryAfter} s.` : null;
  const passes = again && (error.status === 0 || error.status >= 500 || error.retryAfter);
  const trace = [error.code && `code ${error.code}`, error.requestId && `request ${error.requestId}`].filter(Boolean);
  byId("problem").replaceChildren(
    h("h2", { textContent: error.title }),
    name ? h("p.fine.about", { textContent: name }) : "",
    h("p", { textContent: sentence(error.detail) }),
    wait ? h("p", { textContent: wait }) : "",
    passes ? h("div.row", {}, h("button", { type: "button", textContent: "Try again", on: { click: again } })) : "",
    trace.length ? h("p.fine.mono", { textContent: trace.join(" · ") }) : "");
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

function askForKey() {
  byId("key-form").hidden = false;
  byId("key").value = savedKey();
  byId("key").focus();
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
