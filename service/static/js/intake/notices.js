/** Progress, problems, and the form for an API key. */

import { Problem, savedKey } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";

/**
 * Display progress.
 *
 * @param {string} text
 * @param {number|null} fraction done, 0 to 1; null for an indeterminate bar
 */
export function showProgress(text, fraction) {
  byId("status").hidden = false;
  // An unchanged text is not assigned, so that screen readers do not repeat it.
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
  if (fraction === null) byId("progress").removeAttribute("value");
  else byId("progress").value = fraction;
}

export function hideProblem() {
  byId("problem").hidden = true;
  byId("key-form").hidden = true;
}

/**
 * Display a problem, or the key form for status 401. Other errors are defects of the page and are rethrown.
 *
 * @param {unknown} error
 * @param {{name?: string, retry?: (() => void)|null}} context name of the recording, and how to repeat the request
 */
export function showProblem(error, { name = "", retry = null } = {}) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    showKeyForm();
    return;
  }
  const canRetry = retry && (error.status === 0 || error.status >= 500 || error.retryAfter);
  const { code, requestId } = error;
  const reference = [code && `code ${code}`, requestId && `request ${requestId}`].filter(Boolean);
  byId("problem").replaceChildren(...[
    h("h2", { textContent: error.title }),
    name && h("p.fine.file-info", { textContent: name }),
    h("p", { textContent: sentence(error.detail) }),
    error.retryAfter && h("p", { textContent: `Try again in ${error.retryAfter} s.` }),
    canRetry && h("div.row", {}, h("button", { type: "button", textContent: "Try again", on: { click: retry } })),
    reference.length && h("p.fine.mono", { textContent: reference.join(" · ") }),
  ].filter(Boolean));
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

function showKeyForm() {
  byId("key-form").hidden = false;
  byId("key").value = savedKey();
  byId("key").focus();
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}
