/** HTTP client of the service. POST /predict is read as server-sent events where the service streams, else as JSON. */

const KEY = "can-ser-key";

/** An error with a title and details, from the service's problem document (RFC 9457) where there is one. */
export class Problem extends Error {
  constructor({ title, detail, status = 0, code = "", request_id = "" }, retryAfter = null) {
    super(detail);
    Object.assign(this, { title, detail, status, code, requestId: request_id, retryAfter });
  }
}

export const savedKey = () => sessionStorage.getItem(KEY) ?? "";
export const saveKey = (key) => sessionStorage.setItem(KEY, key);

/** The recording of an example, as a chosen file would be. */
export async function exampleFile(name) {
  const response = await request(`static/examples/${name}`);
  if (!response.ok) throw await readProblem(response);
  return new File([await readBody(response, "blob")], name, { type: "audio/flac" });
}

/** The list of examples; empty without its file. */
export async function listExamples() {
  const response = await request("static/examples/examples.json");
  return response.ok ? response.json() : [];
}

/** GET /model; null on an error status. */
export async function servedModel() {
  const response = await request("model", { headers: authorisation() });
  return response.ok ? response.json() : null;
}

/** Stages that stand for a wait, by the code of the problem that ends with time. */
const WAITS = {
  "not-ready": "load", busy: "wait", "rate-limited": "wait", "uploads-full": "wait", "jobs-full": "places",
};

/** The stage of a problem that ends with time; null for other errors. */
export function waitStage(error) {
  return error instanceof Problem && Object.hasOwn(WAITS, error.code) ? WAITS[error.code] : null;
}

/**
 * Events of a request, repeated while the service refuses it for a time; each repetition yields progress.
 *
 * @param {() => AsyncIterable<{event: string, data: object}>} start sends the request
 * @param {AbortSignal} signal
 * @throws {Problem}
 */
export async function* repeatWhileBusy(start, signal) {
  for (;;) {
    try {
      yield* start();
      return;
    } catch (error) {
      const stage = waitStage(error);
      if (!stage) throw error;
      yield { event: "progress", data: { stage } };
      await pause(error.retryAfter ?? 1, signal);
    }
  }
}

/** As `predict`, repeated while the models are loading or the service is busy. */
export function predictWhenReady(options) {
  return repeatWhileBusy(() => predict(options), options.signal);
}

/** Wait; an abort rejects at once. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/**
 * Events of POST /predict: {event: "progress" | "utterance" | "result", data}.
 *
 * @param {{file: File, transcript: string, channels: boolean, signal: AbortSignal}} options
 * @throws {Problem}
 */
async function* predict({ file, transcript, channels, signal }) {
  const fields = {};
  if (transcript.trim()) fields.transcript = transcript.trim();
  if (channels) fields.speakers = "channels";
  const body = recordingForm(file, fields);
  const headers = { Accept: "text/event-stream, application/json;q=0.9", ...authorisation() };
  const response = await request("predict", { method: "POST", body, signal, headers });
  if (!response.ok) throw await readProblem(response);
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    yield { event: "result", data: await readBody(response, "json") };
    return;
  }
  let finished = false;
  for await (const message of readEvents(response.body)) {
    if (message.event === "error") throw new Problem(message.data, message.data.retry_after_s ?? null);
    finished ||= message.event === "result";
    yield message;
  }
  if (!finished) throw unreachable("The connection closed before the result was complete.");
}

/** A form with a recording; contributions to every emotion are requested. */
export function recordingForm(file, fields = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ explain: "full", ...fields })) body.append(name, value);
  body.append("file", file, file.name);
  return body;
}

/** `fetch` that throws a Problem on network errors. */
export async function request(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error instanceof TypeError) throw unreachable("The service did not respond.");
    throw error;
  }
}

/** The header with the saved key; none without a key. */
export function authorisation() {
  return savedKey() ? { Authorization: `Bearer ${savedKey()}` } : {};
}

/** The problem of a request without a response. */
export function unreachable(reason) {
  return new Problem({ title: "The service cannot be reached", detail: reason, code: "unreachable" });
}

/**
 * The body of a response as "json" or "blob".
 *
 * @throws {Problem} The connection was lost, or the body is not of this service.
 */
export async function readBody(response, form) {
  try {
    return await response[form]();
  } catch (error) {
    if (error instanceof TypeError) throw unreachable("The connection was lost.");
    if (!(error instanceof SyntaxError)) throw error;
    throw new Problem({ title: "The response is not JSON", detail: error.message, status: response.status });
  }
}

/** The problem of a response with an error status. */
export async function readProblem(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  const isProblem = (response.headers.get("content-type") ?? "").includes("json");
  const problem = isProblem ? await readBody(response, "json") : {};
  return new Problem(
    {
      title: problem.title ?? `The response was ${response.status} ${response.statusText}`,
      detail: problem.detail ?? "The response has no details; a proxy may have rejected the request.",
      status: response.status,
      code: problem.code ?? "",
      request_id: problem.request_id ?? response.headers.get("x-request-id") ?? "",
    },
    retryAfter,
  );
}

/** Messages of a text/event-stream with their data parsed as JSON. */
async function* readEvents(stream) {
  let buffer = "";
  for await (const text of decodedText(stream)) {
    buffer += text;
    const blocks = buffer.split(/\r\n\r\n|\n\n|\r\r/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const message = parseBlock(block);
      if (message) yield message;
    }
  }
}

async function* decodedText(stream) {
  // ReadableStream is not yet iterable in every browser.
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    let chunk;
    try {
      chunk = await reader.read();
    } catch (error) {
      if (error instanceof TypeError) throw unreachable("The connection was lost.");
      throw error;
    }
    if (chunk.done) return;
    yield chunk.value;
  }
}

function parseBlock(block) {
  let event = "message";
  const data = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return data.length ? { event, data: JSON.parse(data.join("\n")) } : null;
}
