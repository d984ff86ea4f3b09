/** What a person takes home: JSON, CSV, the call that gives the same, and who answered. */

import { h } from "../lib/dom.js";
import { contributionTo } from "./contributions.js";

const COLUMNS = [
  "file", "utterance", "utterance_start_s", "utterance_end_s", "speaker", "emotion", "word", "start_s", "end_s",
  "timing", "score", "known", "text_attention", "audio_attention", "text_contribution", "audio_contribution",
];

/** CSV with one row per word and the columns of `can-ser predict --csv`. */
function toCsv(name, answer) {
  const labels = Object.keys(answer.probabilities);
  const rows = answer.utterances.flatMap((utterance, index) => utterance.words.map((word) => [
    name, index + 1, utterance.start_s, utterance.end_s, utterance.speaker ?? null, utterance.emotion, word.word,
    word.start_s, word.end_s, word.timing, word.score, word.known, word.text_attention, word.audio_attention,
    ...Object.values(contributionTo(word, utterance.emotion)),
    ...labels.map((label) => utterance.probabilities[label]),
  ]));
  const heading = [...COLUMNS, ...labels.map((label) => `p_${label}`)];
  return [heading, ...rows].map((row) => row.map(quote).join(",") + "\r\n").join("");
}

function quote(value) {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The same request for a terminal. */
function curlCommand(name, transcript) {
  const words = transcript.trim() ? ` --form-string ${shell(`transcript=${transcript.trim()}`)}` : "";
  const address = new URL("predict", document.baseURI);
  return `curl -F ${shell(`file=@${name}`)} -F explain=full${words} ${shell(address.href)}`;
}

function shell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The section at the end of an answer. */
export function reportSection(name, transcript, answer) {
  const stem = name.replace(/\.[^.]+$/, "") || "answer";
  const command = curlCommand(name, transcript);
  const copy = h("button", { type: "button", textContent: "Copy" });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(command);
    copy.textContent = "Copied";
  });
  return h("section.card.report", { aria: { label: "Take it with you" } },
    h("h2", { textContent: "Take it with you" }),
    h("div.row", {},
      download(`${stem}.json`, "application/json", JSON.stringify(answer, null, 2), "Download JSON"),
      download(`${stem}.csv`, "text/csv", toCsv(name, answer), "Download CSV")),
    h("p.fine", { textContent: "The same answer from a terminal, in the folder of the recording:" }),
    h("div.command", {}, h("pre", { tabIndex: 0, aria: { label: "Command" } }, h("code", { textContent: command })),
      navigator.clipboard ? copy : null));
}

function download(name, type, text, label) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    h("a", { href: address, download: name }).click();
    URL.revokeObjectURL(address);
  };
  return h("button", { type: "button", textContent: label, on: { click: save } });
}

/** Who answered: weights, aligner, provider, licence. */
export function provenance({ model, aligner, timings_ms, audio }) {
  const rows = {
    "Scores by": `${model.name} ${model.version} on ${model.provider.replace("ExecutionProvider", "")}`,
    "Trained on": model.trained_on,
    "Licence of the weights": model.licence,
    "Words by": `${aligner.name} (${aligner.model}, ${aligner.language}): ${aligner.reason}`,
    "Sound": `${audio.sample_rate_hz} Hz, ${audio.channels === 1 ? "mono" : `${audio.channels} channels`}`,
    "Milliseconds": Object.entries(timings_ms).map(([stage, spent]) => `${stage} ${Math.round(spent)}`).join(", "),
  };
  return h("details.provenance", {}, h("summary", { textContent: "Who answered" }),
    h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) =>
      [h("dt", { textContent: name }), h("dd", { textContent: value })])));
}
