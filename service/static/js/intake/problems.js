/** Problems in the language of the page: what happened, and what the user can do. */

const FORMATS = "wav, mp3, m4a, aac, flac, ogg, mp4, mov, 3gp, mkv or webm";
const LATER = "Try again in a moment. If it happens again, tell the operator of the service.";
const OPERATOR = ["The service has a problem", `The recording is not the cause. ${LATER}`];

/** Title and advice by code; other problems keep the title and the detail of the service. */
const KNOWN = {
  "empty-file": ["The file is empty", "Choose another file, or export it again."],
  "not-audio": ["The file is not a sound recording",
    `It could not be read. Choose a ${FORMATS} file. If it is one, it is damaged: export or record it again.`],
  "unsupported-audio": ["This recording has an unusual format",
    "Its sample rate or its number of channels is outside what the service accepts. “Each channel is one speaker” needs "
    + "2 to 8 channels; without it, export the recording as an ordinary wav, mp3 or flac file."],
  "no-samples": ["The recording is empty", "The file contains no sound. Record or export it again."],
  "non-finite-audio": ["The recording is damaged",
    "Some of its sound is not valid. Export it again, as an ordinary wav file."],
  "silent-audio": ["The recording is silent",
    "It contains no sound at all. Check that the right microphone was used and that it was not muted."],
  "audio-too-short": ["The recording is too short", "Record at least one word."],
  "audio-too-long": ["The recording is too long",
    "The service does not accept recordings of this length. Cut it into parts."],
  "upload-too-large": ["The file is too large",
    "Cut it into parts, or save it in a compressed format (flac, ogg, mp3)."],
  "empty-transcript": ["The text contains no word", "Type what is said, or leave the field empty."],
  "transcript-too-long": ["The text is too long for the recording",
    "So many words cannot be said in that time. Check that the text belongs to this recording."],
  "no-speech": ["No speech was found",
    "The recording contains no voice that could be recognised. Check that it is the right one, and "
    + "that the voice is near the microphone."],
  "conflicting-fields": ["These options exclude each other",
    "The text of what is said cannot be combined with one speaker per channel. Use one of them."],
  "unsupported-language": ["The language is not supported", "The service does not recognise this language."],
  "unreachable": ["The service cannot be reached",
    "It did not respond, or the connection was lost. Check the network and "
    + "whether the service is still running, then try again."],
  "upload-timeout": ["The upload took too long",
    "Try again with a faster connection, or save the recording in a compressed "
    + "format (flac, ogg, mp3)."],
  "deadline": ["The analysis took too long",
    "The service is busy, or the recording is too long for it. Try again later."],
  "jobs-full": ["Too many long recordings are waiting", "Try again later."],
  "jobs-unavailable": ["Long recordings cannot be accepted now", LATER],
  "unknown-job": ["The analysis is no longer available",
    "The service has deleted it. Choose the recording again."],
  "no-room": ["The service has no space for the recording", LATER],
  "scorer-failed": ["The recording cannot be processed",
    "Something in this file stops the analysis. Export it again, as an "
    + "ordinary wav file."],
  "aligner-unavailable": OPERATOR, "encoder-unavailable": OPERATOR, "aligner-failed": OPERATOR,
  "model-unavailable": OPERATOR, "replica-lost": OPERATOR, "internal-error": OPERATOR,
};

/**
 * @param {Problem} problem
 * @returns {{title: string, advice: string, detail: string}} `detail` is the message of the service, if it adds
 *   something
 */
export function describeProblem({ title, detail, code }) {
  if (!Object.hasOwn(KNOWN, code)) return { title, advice: detail, detail: "" };
  const [known, advice] = KNOWN[code];
  return { title: known, advice, detail };
}
