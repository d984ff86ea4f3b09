/** The page: ways in, progress, errors. */

import { AnswerView } from "./answer.js";
import { exampleFile, listExamples, predictWhenReady, Problem, savedKey, saveKey, servedModel } from "./api.js";
import { byId, h } from "./dom.js";
import { clock, megabytes } from "./format.js";
import { Recorder } from "./recorder.js";
import { decode } from "./sound.js";
import { setUpTheme } from "./theme.js";

const STAGES = {
  load: "The models are loading",
  decode: "Reading the recording", recognise: "Finding the words", align: "Aligning the words",
  features: "Measuring the sound", classify: "Weighing words and sound",
};
const page = { view: null, running: null, last: null, limits: null };

async function start() {
  setUpTheme(() => page.view?.redraw());
  setUpFiles();
  setUpMicrophone();
  byId("cancel").addEventListener("click", () => page.running?.abort());
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    saveKey(byId("key").value);
    byId("key-form").hidden = true;
    showServed();
    if (page.last) analyse(page.last);
  });
  try {
    await Promise.all([showServed(), showExamples()]);
  } catch (error) {
    showProblem(error);
  }
}

async function showServed() {
  const served = await servedModel();
  if (!served) return;
  byId("serving").textContent = `weights ${served.name}, words by ${served.aligner.name}`;
  page.limits = served.limits ?? null;
  if (page.limits) {
    const { max_audio_s, max_upload_bytes } = page.limits;
    byId("limits").textContent += `, up to ${clock(max_audio_s)} minutes and ${megabytes(max_upload_bytes)}`;
  }
}

async function showExamples() {
  byId("examples").append(...(await listExamples()).map((example) =>
    h("li", {}, h("button", { type: "button", on: { click: () => analyseExample(example) } },
      h("strong", { textContent: example.title }), h("span.fine", { textContent: example.note })))));
}

async function analyseExample({ file, transcript }) {
  try {
    analyse({ file: await exampleFile(file), transcript });
  } catch (error) {
    showProblem(error);
  }
}

function setUpFiles() {
  const drop = byId("drop");
  byId("choose").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = "";
  });
  let depth = 0;
  const over = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
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

function take(files) {
  if (files.length) analyse({ file: files[0], transcript: knownWords() });
}

/** What the person says is said; a folded field counts as empty, for nobody sees it. */
function knownWords() {
  return byId("known").open ? byId("transcript").value : "";
}

function setUpMicrophone() {
  let recorder = null;
  const show = (listening) => {
    byId("drop").hidden = listening;
    byId("recording").hidden = !listening;
  };
  const tick = () => {
    if (!recorder) return;
    byId("elapsed").textContent = clock(recorder.seconds);
    recorder.drawLevel(byId("level"));
    if (recorder.seconds >= (page.limits?.max_audio_s ?? 300) - 1) finish();
    else requestAnimationFrame(tick);
  };
  const finish = async () => {
    const finished = recorder;
    recorder = null;
    show(false);
    analyse({ file: await finished.finish(), transcript: knownWords() });
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

/** From a recording to its answer on the page. */
async function analyse(recording) {
  page.running?.abort();
  const running = new AbortController();
  Object.assign(page, { running, last: recording });
  page.view?.close();
  page.view = null;
  hideProblem();
  document.body.classList.add("answered");
  showProgress("Reading the recording", null);
  try {
    checkSize(recording.file);
    const sound = await decode(recording.file);
    if (page.running !== running) return;
    const view = new AnswerView({ name: recording.file.name, ...recording, sound });
    page.view = view;
    await follow(view, predictWhenReady({ ...recording, signal: running.signal }), running.signal);
  } catch (error) {
    if (page.running !== running) return;
    page.view?.close();
    page.view = null;
    if (error.name === "AbortError") document.body.classList.remove("answered");
    else showProblem(error);
  } finally {
    if (page.running === running) byId("status").hidden = true;
  }
}

async function follow(view, events, signal) {
  const started = performance.now();
  let stage = "Sending";
  const timer = setInterval(() => {
    const seconds = (performance.now() - started) / 1000;
    if (seconds >= 2) byId("status-text").dataset.elapsed = clock(seconds);
  }, 500);
  signal.addEventListener("abort", () => clearInterval(timer));
  showProgress("Listening", null);
  try {
    for await (const { event, data } of events) {
      if (event === "progress") {
        stage = STAGES[data.stage] ?? data.stage;
        const share = data.total_s ? data.done_s / data.total_s : null;
        showProgress(data.total_s ? `${stage}: ${clock(data.done_s)} of ${clock(data.total_s)}` : stage, share);
      } else if (event === "utterance") {
        view.addEarly(data);
      } else if (event === "result") {
        view.show(data);
        byId("answer").focus({ preventScroll: true });
      }
    }
  } finally {
    clearInterval(timer);
    delete byId("status-text").dataset.elapsed;
  }
}

function checkSize(file) {
  if (page.limits && file.size > page.limits.max_upload_bytes) {
    throw new Problem({
      title: "The file is too large",
      detail: `It has ${megabytes(file.size)}, the limit is ${megabytes(page.limits.max_upload_bytes)}. Compress it (flac, ogg, mp3) or cut it.`,
      code: "upload-too-large",
    });
  }
}

function showProgress(text, share) {
  byId("status").hidden = false;
  if (byId("status-text").textContent !== text) byId("status-text").textContent = text;
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

function hideProblem() {
  byId("problem").hidden = true;
  byId("key-form").hidden = true;
}

function showProblem(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 401) {
    byId("key-form").hidden = false;
    byId("key").value = savedKey();
    byId("key").focus();
    return;
  }
  const again = h("button", { type: "button", textContent: "Try again", on: { click: () => analyse(page.last) } });
  const wait = error.retryAfter ? `Try again in ${error.retryAfter} s.` : null;
  const transient = page.last && (error.status === 0 || error.status >= 500 || error.retryAfter);
  const trace = [error.code, error.requestId && `request ${error.requestId}`].filter(Boolean).join(" · ");
  byId("problem").replaceChildren(
    h("h2", { textContent: error.title }), h("p", { textContent: sentence(error.detail) }),
    wait ? h("p", { textContent: wait }) : "",
    transient && error.code !== "microphone" ? h("div.row", {}, again) : "",
    trace ? h("p.fine.mono", { textContent: trace }) : "");
  byId("problem").hidden = false;
  byId("problem").scrollIntoView({ block: "nearest" });
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

start();
