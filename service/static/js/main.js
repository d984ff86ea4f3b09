/** Entry point: from recordings to the display of their results. */

import { AnswerView } from "./answer/answer.js";
import { setUpIntake, showExamples, showLimits } from "./intake/intake.js";
import { hideProblem, hideProgress, showProblem, showProgress } from "./intake/notices.js";
import { clearTranscript, editedRecording, editTranscript, enteredTranscript } from "./intake/options.js";
import { decode, durationOf } from "./intake/sound.js";
import { saveKey, servedModel } from "./lib/api.js";
import { byId } from "./lib/dom.js";
import { registerLabels } from "./lib/emotions.js";
import { alignerName, clock } from "./lib/format.js";
import { storedJobs } from "./lib/jobs.js";
import { setUpTheme } from "./lib/theme.js";
import { Analysis } from "./recordings/analysis.js";
import { RecordingList } from "./recordings/list.js";
import { Recording } from "./recordings/recording.js";

/** Longer recordings are displayed without a waveform: their samples would fill the memory of the tab. */
const MAX_WAVEFORM_S = 1200;
const analysis = new Analysis();
const list = new RecordingList({ onSelect: select, onRemove: remove });
const page = { view: null, selected: null };

async function start() {
  setUpTheme(() => page.view?.redraw());
  setUpIntake(add);
  setUpPrint();
  analysis.addEventListener("change", ({ detail }) => onChange(detail));
  byId("cancel").addEventListener("click", () => remove(page.selected));
  byId("reanalyse").addEventListener("click", repeatWithText);
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    saveKey(byId("key").value);
    byId("key-form").hidden = true;
    showService();
    analysis.resume();
  });
  setInterval(showElapsed, 500);
  setUpClosing();
  add(storedJobs());
  try {
    await Promise.all([showService(), showExamples(add)]);
  } catch (error) {
    showProblem(error);
  }
}

async function showService() {
  const served = await servedModel();
  if (!served) return;
  registerLabels(served.labels);
  byId("service-info").textContent =
    `model “${served.name}” · speech recognition by ${alignerName(served.aligner.name)}`;
  analysis.limits = served.limits ?? null;
  if (served.limits) showLimits(served.limits);
}

/** Add recordings, and display the first of them. */
function add(inputs) {
  if (!inputs.length) return;
  const recordings = inputs.map((input) => new Recording(input));
  analysis.add(...recordings);
  list.show(analysis.recordings);
  select(recordings[0]);
}

/** Analyse the recording whose words were edited, or the displayed one, with the text of the field. */
function repeatWithText() {
  const recording = editedRecording() ?? page.selected;
  const transcript = enteredTranscript();
  clearTranscript();
  repeat(recording, transcript);
}

/** Analyse a recording again with another text. */
function repeat(recording, transcript) {
  recording.transcript = transcript;
  analysis.repeat(recording);
  select(recording);
}

function remove(recording) {
  const index = analysis.recordings.indexOf(recording);
  if (recording === editedRecording()) clearTranscript();
  analysis.remove(recording);
  list.show(analysis.recordings);
  if (recording !== page.selected) return;
  const next = analysis.recordings[Math.min(index, analysis.recordings.length - 1)];
  select(next ?? null);
  if (!next) byId("choose").focus();
}

/** Display a recording: its result, its progress, or its problem; null displays the start of the page. */
async function select(recording) {
  closeView();
  hideProblem();
  hideProgress();
  page.selected = recording;
  list.select(recording);
  document.body.classList.toggle("has-answer", recording !== null);
  byId("reanalyse").hidden = recording === null;
  if (!recording) return;
  showState(recording);
  if (recording.status === "failed") return;
  const view = {};
  page.opening = view;
  const sound = await readSound(recording);
  if (page.opening !== view || page.selected !== recording || recording.status === "failed") return;
  openView(recording, sound);
}

/** Samples and duration for the waveform; null where the browser has no file that it can decode. */
async function readSound({ file }) {
  if (!file) return null;
  const seconds = await durationOf(file);
  if (seconds > MAX_WAVEFORM_S) return { samples: null, duration: seconds };
  return decode(file);
}

function openView(recording, sound) {
  page.view = new AnswerView(recording, sound, {
    onEdit: (words) => editTranscript(recording, words), onCorrect: (words) => repeat(recording, words),
  });
  if (recording.result) showResult(recording);
  else recording.early.forEach((utterance) => page.view.addEarly(utterance));
}

function onChange({ recording, utterance }) {
  list.update(recording);
  if (recording !== page.selected) return;
  if (utterance) page.view?.addEarly(utterance);
  else showState(recording);
  if (recording.status === "failed") closeView();
  else if (recording.result && page.view) showResult(recording);
}

function showResult({ result }) {
  page.view.show(result);
  reveal(byId("answer"));
}

/** Display progress or a problem; an analysed recording has neither. */
function showState(recording) {
  byId("reanalyse").hidden = !recording.takesTranscript;
  if (recording.isOpen && !recording.error) showProgress(...progressOf(recording), [recording.name, ...recording.notes]);
  else hideProgress();
  if (!recording.error) return;
  showProblem(recording.error, {
    name: recording.name,
    retry: recording.isRepeatable ? () => repeat(recording, recording.transcript) : null,
    edit: recording.transcript ? () => editTranscript(recording, recording.transcript) : null,
  });
}

function progressOf(recording) {
  if (recording.status === "running" && recording.progress) {
    return [recording.progress.text, recording.progress.fraction];
  }
  return ["Waiting for the recordings before it", null];
}

function showElapsed() {
  const { selected } = page;
  const seconds = selected?.isOpen && selected.startedAt ? (performance.now() - selected.startedAt) / 1000 : 0;
  if (seconds >= 2) byId("status-text").dataset.elapsed = `${clock(seconds)} elapsed`;
  else delete byId("status-text").dataset.elapsed;
}

function closeView() {
  page.opening = null;
  page.view?.close();
  page.view = null;
}

/** Open every utterance while the page is printed. */
function setUpPrint() {
  let fold = () => {};
  window.addEventListener("beforeprint", () => (fold = page.view?.unfold() ?? fold));
  window.addEventListener("afterprint", () => {
    fold();
    fold = () => {};
  });
}

/** The browser requests a confirmation before a page with open analyses is closed. */
function setUpClosing() {
  window.addEventListener("beforeunload", (event) => {
    if (analysis.isBusy) event.preventDefault();
  });
}

/**
 * Focus an element, and scroll to it where its top is outside the upper part of the window; not while the user types.
 */
function reveal(element) {
  if (document.activeElement?.matches("textarea, input")) return;
  element.focus({ preventScroll: true });
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > 0.6 * window.innerHeight) element.scrollIntoView();
}

start();
