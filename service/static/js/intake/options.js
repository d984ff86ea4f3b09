/** Options of the next recordings: a typed text, one speaker per channel. A notice names those that are not used. */

import { byId } from "../lib/dom.js";
import { counted } from "../lib/format.js";

const CHANNELS = "“Each channel is one speaker”";
/** The recording whose words the field contains; null for a text that the user typed. */
let owner = null;

export function setUpOptions() {
  byId("channels").addEventListener("change", () => {
    const { checked } = byId("channels");
    byId("transcript").disabled = checked;
    showNotice(checked && typedText() ? `The typed text is not used while ${CHANNELS} is chosen.` : "");
  });
}

/** Files with the options. The text applies to a single recording, and is then cleared; an unused one is kept. */
export function withOptions(files) {
  const channels = byId("channels").checked;
  const obstacle = textObstacle(files.length);
  showNotice(obstacle);
  const transcript = obstacle ? "" : typedText();
  if (owner || transcript) clearTranscript();
  else if (obstacle) byId("transcript-field").open = true;
  return files.map((file) => ({ file, transcript, channels }));
}

/** Why the typed text does not apply to new files; "" if it does, or without one. */
function textObstacle(count) {
  const files = count === 1 ? "this file" : `these ${count} files`;
  if (!typedText()) return "";
  if (owner) {
    return `The text in the field belonged to ${owner.name}; it was not used for ${counted(count, "new file")}.`;
  }
  if (byId("channels").checked) {
    return `The typed text cannot be combined with ${CHANNELS}; it was not used for ${files}.`;
  }
  if (!byId("transcript-field").open) return `The typed text was in a closed field; it was not used for ${files}.`;
  return count > 1 ? `The typed text belongs to one recording; it was not used for ${files}.` : "";
}

/** A recording of the microphone with the options. It has one channel. */
export function withMicrophoneOptions(file) {
  const [input] = withOptions([file]);
  if (input.channels) addNotice(`The microphone records one channel: ${CHANNELS} was not used.`);
  return { ...input, channels: false };
}

/** An example with its own text; it has one speaker. */
export function withExampleOptions(file, transcript) {
  const unused = [typedText() && "the typed text", byId("channels").checked && CHANNELS].filter(Boolean);
  showNotice(unused.length ? `The example has its own text and one speaker; not used: ${unused.join(" and ")}.` : "");
  return { file, transcript, channels: false };
}

export function showNotice(text) {
  byId("intake-notice").hidden = !text;
  byId("intake-notice").textContent = text;
}

export function addNotice(text) {
  showNotice([byId("intake-notice").textContent, text].filter(Boolean).join(" "));
}

function typedText() {
  return byId("transcript").value.trim();
}

/** The entered text; empty while its field is closed, because the user cannot see it then. */
export function enteredTranscript() {
  return byId("transcript-field").open ? typedText() : "";
}

/** The recording whose words are being edited; null without one. */
export function editedRecording() {
  return owner;
}

/** Clear and close the field, so that the text does not apply to the next recording. */
export function clearTranscript() {
  byId("transcript-field").open = false;
  byId("transcript").value = "";
  owner = null;
}

/** Open the field with the text of a recording to correct. */
export function editTranscript(recording, transcript) {
  if (!owner && typedText()) showNotice(`The typed text was replaced by the words of ${recording.name}.`);
  byId("channels").checked = byId("transcript").disabled = false;
  byId("transcript-field").open = true;
  byId("transcript").value = transcript;
  owner = recording;
  byId("transcript").focus();
}
