/** Entry point: from a recording to the display of its result. */

import { AnswerView } from "./answer/answer.js";
import {
  clearTranscript, editTranscript, enteredTranscript, setUpIntake, showExamples, showLimits, sizeProblem,
} from "./intake/intake.js";
import { hideProblem, showProblem, showProgress } from "./intake/notices.js";
import { decode } from "./intake/sound.js";
import { predictWhenReady, Problem, saveKey, servedModel } from "./lib/api.js";
import { byId } from "./lib/dom.js";
import { alignerName, clock } from "./lib/format.js";
import { setUpTheme } from "./lib/theme.js";

const STAGES = {
  load: "Loading the models",
  decode: "Reading the audio", recognise: "Recognising the words", align: "Aligning the words",
  features: "Analysing the sound", classify: "Estimating the emotion",
};
const page = { view: null, controller: null, recording: null };

async function start() {
  setUpTheme(() => page.view?.redraw());
  setUpIntake(analyse);
  byId("cancel").addEventListener("click", () => page.controller?.abort());
  byId("reanalyse").addEventListener("click", () => analyse({ ...page.recording, transcript: enteredTranscript() }));
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    saveKey(byId("key").value);
    byId("key-form").hidden = true;
    showService();
    if (page.recording) analyse(page.recording);
  });
  try {
    await Promise.all([showService(), showExamples(analyse)]);
  } catch (error) {
    showProblem(error);
  }
}

async function showService() {
  const served = await servedModel();
  if (!served) return;
  byId("service-info").textContent =
    `model “${served.name}” · speech recognition by ${alignerName(served.aligner.name)}`;
  if (served.limits) showLimits(served.limits);
}

async function analyse(recording) {
  page.controller?.abort();
  const controller = new AbortController();
  Object.assign(page, { controller, recording });
  closeView();
  hideProblem();
  byId("reanalyse").hidden = false;
  document.body.classList.add("has-answer");
  showProgress("Reading the recording", null);
  try {
    const problem = sizeProblem(recording.file);
    if (problem) throw new Problem(problem);
    const sound = await decode(recording.file);
    if (page.controller !== controller) return;
    page.view = new AnswerView({ name: recording.file.name, ...recording, sound }, editTranscript);
    await showEvents(page.view, predictWhenReady({ ...recording, signal: controller.signal }), controller.signal);
  } catch (error) {
    if (page.controller === controller) showFailure(error, recording);
  } finally {
    if (page.controller === controller) byId("status").hidden = true;
  }
}

function closeView() {
  page.view?.close();
  page.view = null;
}

function showFailure(error, recording) {
  closeView();
  if (error.name !== "AbortError") {
    showProblem(error, { name: recording.file.name, retry: () => analyse(recording) });
    return;
  }
  document.body.classList.remove("has-answer");
  byId("choose").focus();
}

async function showEvents(view, events, signal) {
  const started = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    if (seconds >= 2) byId("status-text").dataset.elapsed = `${clock(seconds)} elapsed`;
  }, 500);
  signal.addEventListener("abort", () => clearInterval(timer));
  showProgress("Uploading", null);
  try {
    for await (const { event, data } of events) {
      if (event === "progress") {
        const stage = STAGES[data.stage] ?? data.stage;
        const { done_s, total_s } = data;
        if (total_s) showProgress(`${stage}: ${clock(done_s)} of ${clock(total_s)}`, done_s / total_s);
        else showProgress(stage, null);
      } else if (event === "utterance") {
        view.addEarly(data);
      } else if (event === "result") {
        view.show(data);
        clearTranscript();
        reveal(byId("answer"));
      }
    }
  } finally {
    clearInterval(timer);
    delete byId("status-text").dataset.elapsed;
  }
}

/** Focus an element, and scroll to it where its top is outside the upper part of the window. */
function reveal(element) {
  element.focus({ preventScroll: true });
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > 0.6 * window.innerHeight) element.scrollIntoView();
}

start();
