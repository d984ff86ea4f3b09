/** Analysis of the recordings of this visit: one request after the other; long recordings as jobs beside them. */

import { predictWhenReady } from "../lib/api.js";
import { clock, timeLimit } from "../lib/format.js";
import { deleteJob, followJob, storeJobs, submitJob } from "../lib/jobs.js";
import { durationOf } from "../intake/sound.js";

const STAGES = {
  load: "Loading the models", wait: "The service is busy; waiting", queue: "Waiting for the service",
  places: "Other long recordings are waiting; waiting for a place",
  reconnect: "The connection was lost; trying again", background: "Analysing in the background",
  decode: "Reading the audio", recognise: "Recognising the words", align: "Aligning the words",
  features: "Analysing the sound", classify: "Estimating the emotion",
};
/** Codes of refusals for length or size: jobs have higher limits. */
const TOO_LONG = ["audio-too-long", "upload-too-large"];

export class Analysis extends EventTarget {
  /** Dispatches "change" with `recording` and, for an early utterance, `utterance` in its detail. */
  constructor() {
    super();
    Object.assign(this, { recordings: [], limits: null, working: false, paused: false });
    // Long recordings are submitted one after the other, while short ones are analysed.
    this.submissions = Promise.resolve();
  }

  /** Append recordings, and analyse them after those that wait already. */
  add(...recordings) {
    this.recordings.push(...recordings);
    this.work();
  }

  /** Analyse a recording again. */
  repeat(recording) {
    if (recording.isJob && recording.isOpen) deleteJob(recording.jobId);
    recording.reset();
    this.storeJobs();
    this.changed(recording);
    this.work();
  }

  /** Stop the analysis of a recording, if it has not ended, and forget the recording. */
  remove(recording) {
    this.recordings = this.recordings.filter((other) => other !== recording);
    recording.status = "removed";
    recording.controller.abort();
    if (recording.isJob && !recording.result) deleteJob(recording.jobId);
    this.storeJobs();
  }

  /** Whether a recording is waiting or being analysed. */
  get isBusy() {
    return this.recordings.some(({ isOpen }) => isOpen);
  }

  /** Continue after a pause for an API key. */
  resume() {
    this.paused = false;
    this.work();
  }

  async work() {
    if (this.working || this.paused) return;
    this.working = true;
    for (let next; !this.paused && (next = this.recordings.find(({ status }) => status === "waiting"));) {
      await this.run(next, (signal) => this.analyse(next, signal));
    }
    this.working = false;
  }

  /** Run a step of a recording; its failure becomes the recording's. */
  async run(recording, step) {
    const { controller } = recording;
    recording.startedAt ??= performance.now();
    Object.assign(recording, { status: "running", error: null });
    try {
      await step(controller.signal);
    } catch (error) {
      // A removed or repeated recording has another controller.
      if (controller.signal.aborted) return;
      if (error.status === 401) this.paused = true;
      Object.assign(recording, { error, status: error.status === 401 ? "waiting" : "failed" });
      this.storeJobs();
      this.changed(recording);
    }
  }

  async analyse(recording, signal) {
    if (recording.isJob) {
      this.follow(recording, signal);
      return;
    }
    this.report(recording, "Reading the recording");
    if (await this.isLong(recording)) {
      this.queueJob(recording, signal);
      return;
    }
    try {
      this.report(recording, "Uploading");
      await this.consume(recording, predictWhenReady({ ...recording, signal }), signal);
    } catch (error) {
      if (!TOO_LONG.includes(error.code)) throw error;
      this.queueJob(recording, signal);
    }
  }

  async isLong({ file }) {
    if (!this.limits) return false;
    const seconds = await durationOf(file);
    return file.size > this.limits.max_upload_bytes || (seconds !== null && seconds > this.limits.max_audio_s);
  }

  /** Submit a job after those before it, while the next recordings are analysed. */
  queueJob(recording, signal) {
    const limit = this.limits ? `Recordings over ${timeLimit(this.limits.max_audio_s)}` : "Long recordings";
    if (recording.transcript) recording.notes.push(`${limit} are analysed without the typed text.`);
    if (recording.channels) recording.notes.push(`${limit} are analysed without separating the channels.`);
    Object.assign(recording, { transcript: "", channels: false });
    this.report(recording, "Waiting to upload the long recording");
    this.submissions = this.submissions.then(() =>
      signal.aborted ? null : this.run(recording, () => this.submit(recording, signal)));
  }

  async submit(recording, signal) {
    this.report(recording, "Uploading the long recording");
    await this.consume(recording, submitJob(recording.file, signal), signal);
    if (recording.isJob && !signal.aborted) this.follow(recording, signal);
  }

  follow(recording, signal) {
    this.run(recording, async () => {
      await this.consume(recording, followJob(recording.jobId, signal), signal);
      // The result is here: the service does not need to keep it.
      if (recording.result) await deleteJob(recording.jobId);
    });
  }

  async consume(recording, events, signal) {
    for await (const { event, data } of events) {
      // The service had the whole recording before the analysis was cancelled.
      if (signal.aborted && event === "submitted") await deleteJob(data.id);
      if (signal.aborted) return;
      if (event === "progress") this.report(recording, ...describe(data));
      else if (event === "utterance") this.addEarly(recording, data);
      else if (event === "submitted") this.setJob(recording, data.id);
      else if (event === "result") this.finish(recording, data);
    }
  }

  setJob(recording, jobId) {
    Object.assign(recording, { jobId });
    this.storeJobs();
  }

  /** Store the jobs that have not ended, so that a reload of the page finds them again. */
  storeJobs() {
    storeJobs(this.recordings.filter(({ isJob, isOpen }) => isJob && isOpen));
  }

  addEarly(recording, utterance) {
    recording.early.push(utterance);
    this.changed(recording, utterance);
  }

  finish(recording, result) {
    Object.assign(recording, { result, status: "done", error: null });
    this.storeJobs();
    this.changed(recording);
  }

  report(recording, text, fraction = null) {
    recording.progress = { text, fraction };
    this.changed(recording);
  }

  changed(recording, utterance = null) {
    this.dispatchEvent(new CustomEvent("change", { detail: { recording, utterance } }));
  }
}

/** Progress as text and fraction. */
function describe({ stage, done_s, total_s }) {
  const text = STAGES[stage] ?? stage;
  return total_s ? [`${text}: ${clock(done_s)} of ${clock(total_s)}`, done_s / total_s] : [text];
}
