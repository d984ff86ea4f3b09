/** Inputs: chosen or dropped files, the microphone, an example. */

import { exampleFile, listExamples } from "../lib/api.js";
import { byId, h } from "../lib/dom.js";
import { clock, counted, megabytes, timeLimit } from "../lib/format.js";
import { hideProblem, showProblem } from "./notices.js";
import {
  addNotice, setUpOptions, showNotice, withExampleOptions, withMicrophoneOptions, withOptions,
} from "./options.js";
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
    if (files.length) onRecordings(withOptions(files));
  };
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    onFiles(files);
  });
  setUpOptions();
  setUpDrop(onFiles);
  setUpMicrophone((file) => onRecordings([withMicrophoneOptions(file)]));
}

/** Append the examples of the service. */
export async function showExamples(onRecordings) {
  const choose = async ({ file, transcript }) => {
    try {
      onRecordings([withExampleOptions(await exampleFile(file), transcript)]);
    } catch (error) {
      showProblem(error);
    }
  };
  byId("examples").append(...(await listExamples()).map((example) =>
    h("li", {}, h("button", { type: "button", on: { click: () => choose(example) } },
      h("strong", { textContent: example.title }), h("span.fine", { textContent: example.note })))));
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
    showNotice("");
    onFiles(files);
    if (folders) addNotice(`${counted(folders, "folder")} cannot be read here; drop the recordings themselves.`);
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
