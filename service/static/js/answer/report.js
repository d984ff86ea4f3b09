/** Export of a result (JSON, CSV, the equivalent command), and details of its origin. */

import { h } from "../lib/dom.js";
import { contributionTo } from "./contributions.js";

const COLUMNS = [
  "file", "utterance", "utterance_start_s", "utterance_end_s", "speaker", "emotion", "confidence", "uncertain",
  "word", "start_s", "end_s", "timing", "score", "known", "text_attention", "audio_attention", "text_contribution",
  "audio_contribution",
];

/** CSV with one row per word and the columns of `can-ser predict --csv`. */
function toCsv(name, result) {
  const labels = Object.keys(result.probabilities);
  const rows = result.utterances.flatMap((utterance, index) => utterance.words.map((word) => [
    name, index + 1, utterance.start_s, utterance.end_s, utterance.speaker ?? null, utterance.emotion,
    utterance.confidence, utterance.uncertain, word.word, word.start_s, word.end_s, word.timing, word.score, word.known,
    word.text_attention, word.audio_attention,
    ...Object.values(contributionTo(word, utterance.emotion)), ...labels.map((label) => utterance.probabilities[label]),
  ]));
  const header = [...COLUMNS, ...labels.map((label) => `p_${label}`)];
  return [header, ...rows].map((row) => row.map(csvCell).join(",") + "\r\n").join("");
}

function csvCell(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The same request as a curl command. */
function curlCommand(name, transcript) {
  const words = transcript.trim() ? ` --form-string ${shellQuote(`transcript=${transcript.trim()}`)}` : "";
  const address = new URL("predict", document.baseURI);
  return `curl -F ${shellQuote(`file=@${name}`)} -F explain=full${words} ${shellQuote(address.href)}`;
}

function shellQuote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function exportSection({ name, transcript }, result) {
  const stem = name.replace(/\.[^.]+$/, "") || "result";
  const command = curlCommand(name, transcript);
  const copy = h("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    copy.textContent = "Copied";
  });
  return h("section.card.report", { aria: { label: "Export" } },
    h("h2", { textContent: "Export" }),
    h("div.row", {},
      downloadButton("Download JSON", `${stem}.json`, "application/json", JSON.stringify(result, null, 2)),
      downloadButton("Download CSV", `${stem}.csv`, "text/csv", toCsv(name, result))),
    h("p.fine", { textContent: "The same request from a terminal, in the folder of the recording:" }),
    h("div.command", {}, h("pre", { tabIndex: 0, aria: { label: "Command" } }, h("code", { textContent: command })),
      navigator.clipboard ? copy : null));
}

function downloadButton(label, name, type, text) {
  const download = () => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    h("a", { href: address, download: name }).click();
    URL.revokeObjectURL(address);
  };
  return h("button", { type: "button", textContent: label, on: { click: download } });
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
  return h("details.provenance", {}, h("summary", { textContent: "Model and timings" }),
    h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) =>
      [h("dt", { textContent: name }), h("dd", { textContent: value })])));
}
