/** Upload of a form with a known end. */

import { unreachable } from "./api.js";

/**
 * Send a form by POST. An abort stops the upload; after its end the response is awaited nevertheless, because it names
 * what the service has created. `fetch` does not state when the upload has ended.
 *
 * @param {string} address
 * @param {{body: FormData, headers: object, signal: AbortSignal}} options
 * @returns {Promise<Response>}
 * @throws {Problem} on network errors
 */
export function upload(address, { body, headers, signal }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const sender = new XMLHttpRequest();
    const stop = () => sender.abort();
    signal.addEventListener("abort", stop);
    sender.upload.addEventListener("load", () => signal.removeEventListener("abort", stop));
    sender.addEventListener("load", () => resolve(toResponse(sender)));
    sender.addEventListener("abort", () => reject(signal.reason));
    sender.addEventListener("error", () => reject(unreachable("The service did not respond.")));
    sender.open("POST", address);
    sender.responseType = "blob";
    for (const [name, value] of Object.entries(headers)) sender.setRequestHeader(name, value);
    sender.send(body);
  });
}

function toResponse(sender) {
  const lines = sender.getAllResponseHeaders().trim().split("\r\n");
  const headers = lines.filter(Boolean).map((line) => line.split(/:(.*)/s, 2));
  return new Response(sender.response, { status: sender.status, statusText: sender.statusText, headers });
}
