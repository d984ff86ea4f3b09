/** Download of a result as subtitles, a TextGrid, a workbook or, with speakers, RTTM, which the service writes: POST /export. */

import { describeProblem } from "../intake/problems.js";
import { authorisation, Problem, readBody, readProblem, request } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { sentence } from "../lib/format.js";
import { contributionTo } from "./words.js";

const FORMATS = {
  srt: { label: "SRT", suffix: ".srt" },
  vtt: { label: "WebVTT", suffix: ".vtt" },
  textgrid: { label: "TextGrid", suffix: ".TextGrid" },
  rttm: { label: "RTTM", suffix: ".rttm", needsSpeakers: true },
  xlsx: { label: "XLSX", suffix: ".xlsx" },
};
const SUBTITLES = ["srt", "vtt"];
const LONGEST_NAME = 255;

/**
 * Buttons for the formats that the service writes, and a line for its refusal.
 *
 * @param {{name: string}} recording
 * @param {object} result
 * @param {(name: string, blob: Blob) => void} save
 */
export function exportButtons({ name }, result, save) {
  const emotions = h("input", { type: "checkbox" });
  const failure = h("p.fine", { role: "alert", hidden: true });
  const stem = name.replace(/\.[^.]+$/, "") || "result";
  const hasSpeakers = result.utterances.some(({ speaker }) => speaker);
  const offered = Object.entries(FORMATS).filter(([, { needsSpeakers }]) => hasSpeakers || !needsSpeakers);
  const buttons = offered.map(([format, { label, suffix }]) => {
    const button = h("button", { type: "button", textContent: label, aria: { label: `Download ${label}` } });
    button.addEventListener("click", async () => {
      failure.hidden = true;
      button.disabled = true;
      try {
        save(stem + suffix, await convert(result, format, name, emotions.checked));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const { title, advice } = describeProblem(error);
        Object.assign(failure, { textContent: `${label}: ${sentence(title)} ${advice}`, hidden: false });
      } finally {
        button.disabled = false;
      }
    });
    return button;
  });
  return [
    h("div.row.exports", {}, ...buttons, h("label.fine", {}, emotions, " emotions in subtitles")),
    failure,
  ];
}

/** @throws {Problem} */
async function convert(result, format, name, emotions) {
  const parameters = new URLSearchParams({ format, name: name.slice(0, LONGEST_NAME) });
  if (emotions && SUBTITLES.includes(format)) parameters.set("subtitle_emotions", "prefix");
  const headers = { "Content-Type": "application/json", ...authorisation() };
  const body = JSON.stringify({ ...result, utterances: result.utterances.map(shorten) });
  const response = await request(`export?${parameters}`, { method: "POST", body, headers });
  if (!response.ok) throw await readProblem(response);
  return readBody(response, "blob");
}

/** An utterance with contributions to its emotion only, which makes hours of speech half as large. */
function shorten(utterance) {
  const words = utterance.words.map((word) => {
    const { text, sound } = contributionTo(word, utterance.emotion);
    return { ...word, contribution: { text, audio: sound } };
  });
  return { ...utterance, words };
}
