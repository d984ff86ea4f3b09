/** Inputs: chosen or dropped files, the microphone, an example, an optional text, one speaker per channel. */

import { exampleFile, listExamples } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";
import { clock, counted, megabytes, timeLimit } from "../lib/format.js";
import { hideProblem, showProblem } from "./notices.js";
import { Recorder } from "./recorder.js";

let limits = null;
let recorded = 0;

/** Display the limits of the service, and apply them to recordings from now on. */
export function showLimits(served) {
  limits = served;
  const longest = timeLimit(limits.max_audio_s);
  byId("limits").textContent = `over ${longest} or ${megabytes(limits.max_upload_bytes)}: analysed in the background`;
  byId("recording-limit").textContent = `The recording stops after ${longest}.`;
}

/**
 * Set up the file, drop and microphone inputs.
 *
 * @param {(recordings: {file: File, transcript: string, channels: boolean}[]) => void} onRecordings
 */
export function setUpIntake(onRecordings) {
  const onFiles = (files) => {
    if (!files.length) return;
    showNotice("");
    onRecordings(withOptions(files));
  };
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    onFiles(files);
  });
  byId("channels").addEventListener("change", () => (byId("transcript").disabled = byId("channels").checked));
  setUpDrop(onFiles);
  setUpMicrophone((file) => onFiles([file]));
}

/** Recordings with the entered options. The text applies to a single recording, and is cleared. */
function withOptions(files) {
  const channels = byId("channels").checked;
  const { owner } = byId("transcript").dataset;
  if (owner) {
    showNotice(`The text in the field belonged to ${owner}; it was not used for ${counted(files.length, "new file")}.`);
    clearTranscript();
  }
  const transcript = channels ? "" : enteredTranscript();
  if (transcript && files.length > 1) {
    showNotice(`The typed text belongs to one recording; it was not used for these ${files.length} files.`);
    return files.map((file) => ({ file, transcript: "", channels }));
  }
  clearTranscript();
  return files.map((file) => ({ file, transcript, channels }));
}

function showNotice(text) {
  byId("intake-notice").hidden = !text;
  byId("intake-notice").textContent = text;
}

/** Append the examples of the service. */
export async function showExamples(onRecordings) {
  const choose = async ({ file, transcript }) => {
    try {
      onRecordings([{ file: await exampleFile(file), transcript, channels: false }]);
    } catch (error) {
      showProblem(error);
    }
  };
  byId("examples").append(...(await listExamples()).map((example) =>
    h("li", {}, h("button", { type: "button", on: { click: () => choose(example) } },
      h("strong", { textContent: example.title }), h("span.fine", { textContent: example.note })))));
}

/** The entered text; empty while its field is closed, because the user cannot see it then. */
export function enteredTranscript() {
  return byId("transcript-field").open ? byId("transcript").value.trim() : "";
}

/** Clear and close the field, so that the text does not apply to the next recording. */
export function clearTranscript() {
  byId("transcript-field").open = false;
  byId("transcript").value = "";
  delete byId("transcript").dataset.owner;
}

/** Open the field with the text of a recording to correct. */
export function editTranscript({ name }, transcript) {
  byId("channels").checked = byId("transcript").disabled = false;
  byId("transcript-field").open = true;
  byId("transcript").value = transcript;
  byId("transcript").dataset.owner = name;
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
    const { files, folders } = dropped(event.dataTransfer);
    onFiles(files);
    if (folders) showNotice(`${counted(folders, "folder")} cannot be read here; drop the recordings themselves.`);
    else if (!files.length) showNotice("What was dropped is not a file. Save it first, then drop the file.");
  });
}

/** Files of a drop, and the number of folders in it. */
function dropped({ items, files }) {
  const isFolder = [...items].filter(({ kind }) => kind === "file").map((item) => item.webkitGetAsEntry?.()?.isDirectory);
  return { files: [...files].filter((_, index) => !isFolder[index]), folders: isFolder.filter(Boolean).length };
}

function setUpMicrophone(onFile) {
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
    recorded += 1;
    onFile(await finished.finish(recorded === 1 ? "recording" : `recording-${recorded}`));
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
