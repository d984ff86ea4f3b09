/** Long recordings, which the service analyses in the background: POST /jobs and GET /jobs/{id}. */

import { authorisation, pause, Problem, readProblem, recordingForm, request } from "./api.js";

const FIRST_PAUSE_S = 1;
const LONGEST_PAUSE_S = 5;

/**
 * Submit a recording, and return the id of its job.
 *
 * @throws {Problem}
 */
export async function submitJob(file, signal) {
  const options = { method: "POST", body: recordingForm(file), signal, headers: authorisation() };
  return (await readJson(await request("jobs", options))).id;
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
    if (job?.status === "failed") throw new Problem(job.problem);
    if (job?.status === "done") {
      yield { event: "result", data: job.result };
      return;
    }
    yield { event: "progress", data: { stage: stageOf(job), ...job?.progress } };
    await pause(wait, signal);
    wait = Math.min(LONGEST_PAUSE_S, 1.5 * wait);
  }
}

function stageOf(job) {
  if (!job) return "reconnect";
  return job.status === "queued" ? "queue" : "background";
}

/** The job; null while the service cannot be reached. */
async function readJob(id, signal) {
  try {
    return await readJson(await request(`jobs/${id}`, { signal, headers: authorisation() }));
  } catch (error) {
    if (error.code === "unreachable") return null;
    throw error;
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

async function readJson(response) {
  if (!response.ok) throw await readProblem(response);
  return response.json();
}
