/** Inputs: a chosen or dropped file, the microphone, an example, and an optional transcript. */

import { exampleFile, listExamples } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";
import { clock, megabytes, timeLimit } from "../lib/format.js";
import { hideProblem, showProblem } from "./notices.js";
import { Recorder } from "./recorder.js";

let limits = null;

/** Display the limits of the service, and apply them to recordings from now on. */
export function showLimits(served) {
  limits = served;
  const longest = timeLimit(limits.max_audio_s);
  byId("limits").textContent = `up to ${longest}, ${megabytes(limits.max_upload_bytes)}`;
  byId("recording-limit").textContent = `The recording stops after ${longest}.`;
}

/** The problem of a file above the size limit, else null. */
export function sizeProblem(file) {
  if (!limits || file.size <= limits.max_upload_bytes) return null;
  return {
    title: "The file is too large",
    detail: `The file has ${megabytes(file.size)}, the limit is ${megabytes(limits.max_upload_bytes)}. `
      + "Compress it (flac, ogg, mp3) or cut it.",
    code: "upload-too-large",
  };
}

/**
 * Set up the file, drop and microphone inputs.
 *
 * @param {(recording: {file: File, transcript: string}) => void} onRecording
 */
export function setUpIntake(onRecording) {
  const onFiles = (files) => {
    if (files.length) onRecording({ file: files[0], transcript: enteredTranscript() });
  };
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    onFiles(event.target.files);
    event.target.value = "";
  });
  setUpDrop(onFiles);
  setUpMicrophone(onRecording);
}

/** Append the examples of the service. */
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

/** The entered transcript; empty while its field is closed, because the user cannot see it then. */
export function enteredTranscript() {
  return byId("transcript-field").open ? byId("transcript").value : "";
}

/** Clear and close the field, so that the transcript does not apply to the next recording. */
export function clearTranscript() {
  byId("transcript-field").open = false;
  byId("transcript").value = "";
}

/** Open the field with a transcript to correct. */
export function editTranscript(transcript) {
  byId("transcript-field").open = true;
  byId("transcript").value = transcript;
  byId("reanalyse").hidden = false;
  byId("transcript").focus();
}

function setUpDrop(onFiles) {
  let depth = 0;
  const changeDepth = (change) => {
    depth = Math.max(0, depth + change);
    byId("drop").classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", () => changeDepth(+1));
  document.addEventListener("dragleave", () => changeDepth(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    changeDepth(-depth);
    onFiles(event.dataTransfer.files);
  });
}

function setUpMicrophone(onRecording) {
  let recorder = null;
  const showRecorder = (visible) => {
    byId("drop").hidden = visible;
    byId("recording").hidden = !visible;
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
    showRecorder(false);
    onRecording({ file: await finished.finish(), transcript: enteredTranscript() });
  };
  byId("record").addEventListener("click", async () => {
    hideProblem();
    try {
      recorder = await Recorder.start();
    } catch (error) {
      showProblem(error);
      return;
    }
    showRecorder(true);
    byId("stop").focus();
    tick();
  });
  byId("stop").addEventListener("click", finish);
  byId("discard").addEventListener("click", () => {
    recorder?.release();
    recorder = null;
    showRecorder(false);
    byId("record").focus();
  });
}
