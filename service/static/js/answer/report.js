/** Download of a result (CSV, JSON, other formats, a printed report, the equivalent command), and details of its origin. */

import { h } from "../lib/dom.js";
import { exportButtons } from "./exports.js";
import { utteranceTable, wordTable } from "./tables.js";

/** The same request as a curl command. */
function curlCommand({ name, transcript, channels, isJob }) {
  const words = transcript.trim() ? ` --form-string ${shellQuote(`transcript=${transcript.trim()}`)}` : "";
  const speakers = channels ? " -F speakers=channels" : "";
  const address = new URL(isJob ? "jobs" : "predict", document.baseURI);
  return `curl -F ${shellQuote(`file=@${name}`)} -F explain=full${speakers}${words} ${shellQuote(address.href)}`;
}

function shellQuote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Buttons that download the results of one or more recordings: {name, result}. */
export function downloadButtons(recordings) {
  const stem = recordings.length > 1 ? "recordings" : recordings[0].name.replace(/\.[^.]+$/, "") || "result";
  const results = recordings.map(({ name, result }) => ({ file: name, ...result }));
  const json = () => JSON.stringify(recordings.length > 1 ? results : recordings[0].result, null, 2);
  const csv = "text/csv;charset=utf-8";
  const scope = recordings.length > 1 ? " of all recordings" : "";
  return h("div.row", {},
    downloadButton("CSV per utterance", scope, `${stem}.utterances.csv`, csv, () => utteranceTable(recordings)),
    downloadButton("CSV per word", scope, `${stem}.words.csv`, csv, () => wordTable(recordings)),
    downloadButton("JSON", scope, `${stem}.json`, "application/json", json));
}

/** The section "Download" of a result. */
export function downloadSection(recording, result) {
  const command = curlCommand(recording);
  const copy = h("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    copy.textContent = "Copied";
  });
  const buttons = downloadButtons([{ name: recording.name, result }]);
  const print = { type: "button", textContent: "Print or save as PDF", on: { click: () => window.print() } };
  buttons.append(h("button", print));
  return h("section.card.report", { aria: { labelledby: "download-title" } },
    h("h2", { id: "download-title", textContent: "Download" }), buttons, ...exportButtons(recording, result, save),
    h("details.more", {}, h("summary", { textContent: "The same request from a terminal" }),
      h("p.fine", { textContent: "In the folder of the recording:" }),
      h("div.command", {}, h("pre", { tabIndex: 0, aria: { label: "Command" } }, h("code", { textContent: command })),
        navigator.clipboard ? copy : null)));
}

function downloadButton(label, scope, name, type, write) {
  const download = () => save(name, new Blob([write()], { type }));
  return h("button", {
    type: "button", textContent: label, aria: { label: `Download ${label}${scope}` }, on: { click: download },
  });
}

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

/** Details of a result's origin: weights, aligner, audio, timings. */
export function details({ model, aligner, timings_ms, audio }) {
  const rows = {
    "Model": `${model.name} ${model.version} on ${model.provider.replace("ExecutionProvider", "")}`,
    "Trained on": model.trained_on,
    "Licence of the weights": model.licence,
    "Aligner": `${aligner.name} (${aligner.model}, ${aligner.language}): ${aligner.reason}`,
    "Audio": `${audio.sample_rate_hz} Hz, ${audio.channels === 1 ? "mono" : `${audio.channels} channels`}`,
    "Time in ms": Object.entries(timings_ms).map(([stage, spent]) => `${stage} ${Math.round(spent)}`).join(", "),
  };
  return h("details.provenance.more", {}, h("summary", { textContent: "Model and settings" }),
    h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) =>
      [h("dt", { textContent: name }), h("dd", { textContent: value })])));
}
