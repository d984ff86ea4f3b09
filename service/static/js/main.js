/** The page: from a recording to its answer. */

import { AnswerView } from "./answer/answer.js";
import { editWords, foldWords, knownWords, setUpIntake, showExamples, showLimits, tooLarge } from "./intake/intake.js";
import { hideProblem, showProblem, showProgress } from "./intake/notices.js";
import { decode } from "./intake/sound.js";
import { predictWhenReady, Problem, saveKey, servedModel } from "./lib/api.js";
import { byId } from "./lib/dom.js";
import { alignerName, clock } from "./lib/format.js";
import { setUpTheme } from "./lib/theme.js";

const STAGES = {
  load: "The models are loading",
  decode: "Reading the recording", recognise: "Finding the words", align: "Aligning the words",
  features: "Measuring the sound", classify: "Weighing words and sound",
};
const page = { view: null, running: null, last: null };

async function start() {
  setUpTheme(() => page.view?.redraw());
  setUpIntake(analyse);
  byId("cancel").addEventListener("click", () => page.running?.abort());
  byId("again").addEventListener("click", () => analyse({ ...page.last, transcript: knownWords() }));
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    saveKey(byId("key").value);
    byId("key-form").hidden = true;
    showServed();
    if (page.last) analyse(page.last);
  });
  try {
    await Promise.all([showServed(), showExamples(analyse)]);
  } catch (error) {
    showProblem(error);
  }
}

async function showServed() {
  const served = await servedModel();
  if (!served) return;
  byId("serving").textContent = `weights “${served.name}” · words found by ${alignerName(served.aligner.name)}`;
  if (served.limits) showLimits(served.limits);
}

async function analyse(recording) {
  page.running?.abort();
  const running = new AbortController();
  Object.assign(page, { running, last: recording });
  page.view?.close();
  page.view = null;
  hideProblem();
  byId("again").hidden = false;
  document.body.classList.add("answered");
  showProgress("Reading the recording", null);
  try {
    const refusal = tooLarge(recording.file);
    if (refusal) throw new Problem(refusal);
    const sound = await decode(recording.file);
    if (page.running !== running) return;
    const view = new AnswerView({ name: recording.file.name, ...recording, sound }, editWords);
    page.view = view;
    await follow(view, predictWhenReady({ ...recording, signal: running.signal }), running.signal);
  } catch (error) {
    if (page.running === running) giveUp(error, recording);
  } finally {
    if (page.running === running) byId("status").hidden = true;
  }
}

function giveUp(error, recording) {
  page.view?.close();
  page.view = null;
  if (error.name !== "AbortError") {
    showProblem(error, { name: recording.file.name, again: () => analyse(recording) });
    return;
  }
  document.body.classList.remove("answered");
  byId("choose").focus();
}

async function follow(view, events, signal) {
  const started = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    if (seconds >= 2) byId("status-text").dataset.elapsed = `${clock(seconds)} so far`;
  }, 500);
  signal.addEventListener("abort", () => clearInterval(timer));
  showProgress("Sending", null);
  try {
    for await (const { event, data } of events) {
      if (event === "progress") {
        const stage = STAGES[data.stage] ?? data.stage;
        const share = data.total_s ? data.done_s / data.total_s : null;
        showProgress(data.total_s ? `${stage}: ${clock(data.done_s)} of ${clock(data.total_s)}` : stage, share);
      } else if (event === "utterance") {
        view.addEarly(data);
      } else if (event === "result") {
        view.show(data);
        foldWords();
        reveal(byId("answer"));
      }
    }
  } finally {
    clearInterval(timer);
    delete byId("status-text").dataset.elapsed;
  }
}

/** Brings the keyboard and a screen reader to an element, and the eye where it would not see it. */
function reveal(element) {
  element.focus({ preventScroll: true });
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > 0.6 * window.innerHeight) element.scrollIntoView();
}

start();
