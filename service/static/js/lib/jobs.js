/** Long recordings, which the service analyses in the background: POST /jobs and GET /jobs/{id}. */

import {
  authorisation, pause, Problem, readBody, readProblem, recordingForm, repeatWhileBusy, request, waitStage,
} from "./api.js";
import { upload } from "./upload.js";

const FIRST_PAUSE_S = 1;
const LONGEST_PAUSE_S = 5;
const STORED = "can-ser-jobs";
/** Stages by the status of a job that has not ended. */
const STAGES = { queued: "queue", running: "background" };

/**
 * Submit a recording: {event: "progress", data} while the service is busy, then {event: "submitted", data: {id}}, also
 * where the signal was aborted after the upload had ended.
 *
 * @throws {Problem}
 */
export function submitJob(file, signal) {
  let isFull = false;
  return repeatWhileBusy(async function* submit() {
    if (isFull) await requirePlace(signal);
    const response = await upload("jobs", { body: recordingForm(file), signal, headers: authorisation() });
    const problem = response.ok ? null : await readProblem(response);
    isFull = problem?.code === "jobs-full";
    if (problem) throw problem;
    yield { event: "submitted", data: await readBody(response, "json") };
  }, signal);
}

/**
 * Send a form without a recording, which the service refuses: browsers send a whole form, even one that is refused before.
 *
 * @throws {Problem} No place is free, or the service is busy.
 */
async function requirePlace(signal) {
  const options = { method: "POST", body: new FormData(), signal, headers: authorisation() };
  const problem = await readProblem(await request("jobs", options));
  if (waitStage(problem)) throw problem;
}

/**
 * Progress of a job until its end: {event: "progress" | "result", data}, as of `predictWhenReady`. A lost connection
 * does not end the job: it is requested again.
 *
 * @throws {Problem} The job failed, or does not exist.
 */
export async function* followJob(id, signal) {
  let wait = FIRST_PAUSE_S;
  for (;;) {
    const job = await readJob(id, signal);
    if (job.status === "failed") throw new Problem(job.problem);
    if (job.status === "done") {
      yield { event: "result", data: job.result };
      return;
    }
    yield { event: "progress", data: { stage: job.stage ?? STAGES[job.status], ...job.progress } };
    await pause(job.retryAfter ?? wait, signal);
    wait = Math.min(LONGEST_PAUSE_S, 1.5 * wait);
  }
}

/** The job; only a `stage` while the service cannot be reached, or is busy. */
async function readJob(id, signal) {
  try {
    return await readJson(await request(`jobs/${id}`, { signal, headers: authorisation() }));
  } catch (error) {
    const stage = error.code === "unreachable" ? "reconnect" : waitStage(error);
    if (!stage) throw error;
    return { stage, retryAfter: error.retryAfter };
  }
}

/** Delete a job; one that has ended already, or a lost connection, is no error. It is sent even while the page closes. */
export async function deleteJob(id) {
  try {
    await request(`jobs/${id}`, { method: "DELETE", headers: authorisation(), keepalive: true });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/** Jobs that were under way in this tab before a reload: {jobId, name}. */
export function storedJobs() {
  return JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
}

/** Store jobs for a reload of this tab. */
export function storeJobs(jobs) {
  sessionStorage.setItem(STORED, JSON.stringify(jobs.map(({ jobId, name }) => ({ jobId, name }))));
}

async function readJson(response) {
  if (!response.ok) throw await readProblem(response);
  return readBody(response, "json");
}
