/** Progress, problems, and the form for an API key. */

import { Problem, savedKey } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";
import { sentence } from "../lib/format.js";
import { describeProblem } from "./problems.js";

/**
 * Display progress.
 *
 * @param {string} text
 * @param {number|null} fraction done, 0 to 1; null for an indeterminate bar
 * @param {string[]} notes name of the recording, and options that are not used
 */
export function showProgress(text, fraction, notes) {
  byId("status").hidden = false;
  // An unchanged text is not assigned, so that screen readers do not repeat it.
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
  byId("status-notes").textContent = notes.join(" · ");
  if (fraction === null) byId("progress").removeAttribute("value");
  else byId("progress").value = fraction;
}

export function hideProblem() {
  byId("problem").hidden = true;
  byId("key-form").hidden = true;
}

export function hideProgress() {
  byId("status").hidden = true;
}

/**
 * Display a problem, or the key form for status 401. Other errors are defects of the page and are rethrown.
 *
 * @param {unknown} error
 * @param {{name?: string, retry?: (() => void)|null, edit?: (() => void)|null}} context name of the recording, how to
 *   repeat the request, and how to change its text
 */
export function showProblem(error, { name = "", retry = null, edit = null } = {}) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    showKeyForm();
    return;
  }
  const canRetry = retry && (error.status === 0 || error.status >= 500 || error.retryAfter);
  const { title, advice, detail } = describeProblem(error);
  byId("problem").replaceChildren(...[
    h("h2", { textContent: title }),
    name && h("p.fine.file-info", { textContent: name }),
    h("p", { textContent: sentence(advice) }),
    error.retryAfter && h("p", { textContent: `The service expects to be free in ${error.retryAfter} s.` }),
    (canRetry || edit) && h("div.row", {}, canRetry ? button("Try again", retry) : null,
      edit ? button("Change the text", edit) : null),
    reference(error, detail),
  ].filter(Boolean));
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

function button(textContent, click) {
  return h("button", { type: "button", textContent, on: { click } });
}

/** The message of the service, its code, and the id of the request, folded; null without them. */
function reference({ code, requestId }, detail) {
  const ids = [code && `code ${code}`, requestId && `request ${requestId}`].filter(Boolean).join(" · ");
  if (!ids && !detail) return null;
  return h("details.more", {}, h("summary", { textContent: "Details" }),
    detail ? h("p.fine", { textContent: sentence(detail) }) : null, h("p.fine.mono", { textContent: ids }));
}

/** A key that was sent already is stated to be wrong. */
function showKeyForm() {
  byId("key-form").hidden = false;
  byId("key-refused").hidden = !savedKey();
  byId("key").value = savedKey();
  byId("key").focus();
}
