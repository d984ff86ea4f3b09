/** The ways in: a file, a drop, the microphone, an example, and the words where somebody knows them. */

import { exampleFile, listExamples } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";
import { clock, megabytes, minutes } from "../lib/format.js";
import { hideProblem, showProblem } from "./notices.js";
import { Recorder } from "./recorder.js";

let limits = null;

/** Says what the service takes, and holds recordings to it. */
export function showLimits(served) {
  limits = served;
  const longest = minutes(limits.max_audio_s);
  byId("limits").textContent = `wav, flac, ogg, mp3, m4a, mp4, webm · up to ${longest}, ${megabytes(limits.max_upload_bytes)}`;
  byId("longest").textContent = `It stops by itself after ${longest}.`;
}

/** Why a file cannot be sent; null when it can. */
export function tooLarge(file) {
  if (!limits || file.size <= limits.max_upload_bytes) return null;
  return {
    title: "The file is too large",
    detail: `It has ${megabytes(file.size)}, the limit is ${megabytes(limits.max_upload_bytes)}. Compress it (flac, ogg, mp3) or cut it.`,
    code: "upload-too-large",
  };
}

/**
 * Wires everything that a person may give.
 *
 * @param {(recording: {file: File, transcript: string}) => void} onRecording
 */
export function setUpIntake(onRecording) {
  const take = (files) => {
    if (files.length) onRecording({ file: files[0], transcript: knownWords() });
  };
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = "";
  });
  setUpDrop(take);
  setUpMicrophone(onRecording);
}

/** Appends the examples that the service has. */
export async function showExamples(onRecording) {
  const choose = async ({ file, transcript }) => {
    try {
      onRecording({ file: await exampleFile(file), transcript });
    } catch (error) {
      showProblem(error);
    }
  };
  byId("examples").append(...(await listExamples()).map((example) =>
    h("li", {}, h("button", { type: "button", on: { click: () => choose(example) } },
      h("strong", { textContent: example.title }), h("span.fine", { textContent: example.note })))));
}

/** What the person says is said; a folded field counts as empty, for nobody sees it. */
export function knownWords() {
  return byId("known").open ? byId("transcript").value : "";
}

/** Forgets the words, so that they are not taken for those of the next recording. */
export function foldWords() {
  byId("known").open = false;
  byId("transcript").value = "";
}

/** Opens the field with words to correct. */
export function editWords(words) {
  byId("known").open = true;
  byId("transcript").value = words;
  byId("again").hidden = false;
  byId("transcript").focus();
}

function setUpDrop(take) {
  let depth = 0;
  const over = (change) => {
    depth = Math.max(0, depth + change);
    byId("drop").classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", () => over(+1));
  document.addEventListener("dragleave", () => over(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(0);
    take(event.dataTransfer.files);
  });
}

function setUpMicrophone(onRecording) {
  let recorder = null;
  const show = (listening) => {
    byId("drop").hidden = listening;
    byId("recording").hidden = !listening;
  };
  const tick = () => {
    if (!recorder) return;
    byId("elapsed").textContent = clock(recorder.seconds);
    recorder.drawLevel(byId("level"));
    if (recorder.seconds >= (limits?.max_audio_s ?? 300) - 1) finish();
    else requestAnimationFrame(tick);
  };
  const finish = async () => {
    const finished = recorder;
    recorder = null;
    show(false);
    onRecording({ file: await finished.finish(), transcript: knownWords() });
  };
  byId("record").addEventListener("click", async () => {
    hideProblem();
    try {
      recorder = await Recorder.start();
    } catch (error) {
      showProblem(error);
      return;
    }
    show(true);
    byId("stop").focus();
    tick();
  });
  byId("stop").addEventListener("click", finish);
  byId("discard").addEventListener("click", () => {
    recorder?.release();
    recorder = null;
    show(false);
    byId("record").focus();
  });
}
