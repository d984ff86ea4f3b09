/** The service, over HTTP. An answer comes as events where the service streams them, else at once. */

const KEY = "can-ser-key";

/** A refusal or failure, in the words of the service where it gave some (RFC 9457). */
export class Problem extends Error {
  constructor({ title, detail, status = 0, code = "", request_id = "" }, retryAfter = null) {
    super(detail);
    Object.assign(this, { title, detail, status, code, requestId: request_id, retryAfter });
  }
}

export const savedKey = () => sessionStorage.getItem(KEY) ?? "";
export const saveKey = (key) => sessionStorage.setItem(KEY, key);

/** An example's recording, as if it had been chosen from a disk. */
export async function exampleFile(name) {
  const response = await reach(`static/examples/${name}`);
  return new File([await response.blob()], name, { type: "audio/flac" });
}

/** What the page's examples are; none where the file is missing. */
export async function listExamples() {
  const response = await reach("static/examples/examples.json");
  return response.ok ? response.json() : [];
}

/** What is served, from GET /model; null when the service does not say. */
export async function servedModel() {
  const response = await reach("model", { headers: authorisation() });
  return response.ok ? response.json() : null;
}

/** As `predict`, once the service's models are loaded; until then a progress event of the stage "load". */
export async function* predictWhenReady(request) {
  for (;;) {
    try {
      yield* predict(request);
      return;
    } catch (error) {
      if (error.code !== "not-ready") throw error;
      yield { event: "progress", data: { stage: "load" } };
      await pause(error.retryAfter ?? 1, request.signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/**
 * Events of POST /predict: {event: "progress" | "utterance" | "result", data}.
 *
 * @param {{file: File, transcript: string, signal: AbortSignal}} request
 * @throws {Problem}
 */
async function* predict({ file, transcript, signal }) {
  const body = new FormData();
  body.append("explain", "full");
  if (transcript.trim()) body.append("transcript", transcript.trim());
  body.append("file", file, file.name);
  const response = await send(body, signal);
  if (!response.ok) throw await readProblem(response);
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    yield { event: "result", data: await response.json() };
    return;
  }
  let finished = false;
  for await (const message of readEvents(response.body)) {
    if (message.event === "error") throw new Problem(message.data, message.data.retry_after_s ?? null);
    finished ||= message.event === "result";
    yield message;
  }
  if (!finished) throw unreachable("The connection ended before the answer did.");
}

function send(body, signal) {
  const headers = { Accept: "text/event-stream, application/json;q=0.9", ...authorisation() };
  return reach("predict", { method: "POST", body, signal, headers });
}

/** `fetch`, whose TypeError becomes a problem in words. */
async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error instanceof TypeError) throw unreachable("The service did not answer.");
    throw error;
  }
}

function authorisation() {
  return savedKey() ? { Authorization: `Bearer ${savedKey()}` } : {};
}

function unreachable(what) {
  return new Problem({
    title: "The service cannot be reached",
    detail: `${what} See whether it still runs (its terminal or its log says why not), and try again.`,
    code: "unreachable",
  });
}

async function readProblem(response) {
  const retryAfter = Number(response.headers.get("retry-after")) || null;
  const isProblem = (response.headers.get("content-type") ?? "").includes("json");
  const problem = isProblem ? await response.json() : {};
  return new Problem(
    {
      title: problem.title ?? `The answer was ${response.status} ${response.statusText}`,
      detail: problem.detail ?? "Something between this page and the service refused it; try again, or ask who runs it.",
      status: response.status,
      code: problem.code,
      request_id: problem.request_id ?? response.headers.get("x-request-id") ?? "",
    },
    retryAfter,
  );
}

/** Messages of a text/event-stream, their data read as JSON. */
async function* readEvents(stream) {
  let buffer = "";
  for await (const text of decoded(stream)) {
    buffer += text;
    const blocks = buffer.split(/\r\n\r\n|\n\n|\r\r/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const message = parseBlock(block);
      if (message) yield message;
    }
  }
}

async function* decoded(stream) {
  // ReadableStream is not yet iterable in every browser.
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (error instanceof TypeError) throw unreachable("The connection broke.");
      throw error;
    }
    if (piece.done) return;
    yield piece.value;
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
