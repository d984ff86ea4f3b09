/** Problems in the language of the page: what happened, and what the user can do. */

const FORMATS = "wav, mp3, m4a, aac, flac, ogg, mp4, mov, 3gp, mkv or webm";
const LATER = "Try again in a moment. If it happens again, tell the operator of the service.";
const OPERATOR = ["The service has a problem", `The recording is not the cause. ${LATER}`];

const RELOAD = ["The page and the service do not match",
  "The service was probably updated. Reload the page, and choose the recording again."];

/** Title and advice by code. */
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
  "audio-too-large": ["The recording has too many samples",
    "It has many channels or a very high sample rate. Export it with one or two channels at 48 kHz or less, or cut it "
    + "into parts."],
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
  "busy": ["The service is busy", "Other recordings are being analysed. Try again in a moment."],
  "rate-limited": ["Too many requests were sent",
    "The service accepts a number of requests per minute. Try again in a moment."],
  "uploads-full": ["The service is busy", "Other recordings are being uploaded. Try again in a moment."],
  "not-ready": ["The service is starting or stopping", "Try again in a moment."],
  "wrong-key": ["The service requires a key", "Enter the API key that the operator of the service gave you."],
  "foreign-page": ["The service does not accept requests from this address",
    "The address of this page is not one that the service knows. Open the page at the address that the operator of the "
    + "service gave you. For operators: list the host name of this page in CAN_ALLOWED_HOSTS; behind a proxy that changes "
    + "it, the origin in CAN_ORIGINS."],
  "not-found": ["The service does not offer this",
    "It may not analyse long recordings in the background: cut the recording into parts. If this happens with a short "
    + "one, reload the page."],
  "malformed-form": RELOAD, "unknown-name": RELOAD, "method-not-allowed": RELOAD,
  "invalid-answer": ["The result cannot be converted", "Analyse the recording again, or download it as JSON or CSV."],
  "jobs-full": ["Too many long recordings are waiting", "Try again later."],
  "jobs-unavailable": ["Long recordings cannot be accepted now", LATER],
  "unknown-job": ["The analysis is no longer available",
    "The service has deleted it. Choose the recording again."],
  "job-interrupted": ["The analysis was interrupted again and again",
    "The recording is probably too large for the service. Cut it into parts, or export it with one channel at 16 kHz."],
  "no-room": ["The service has no space for the recording", LATER],
  "scorer-failed": ["The recording cannot be processed",
    "Something in this file stops the analysis. Export it again, as an "
    + "ordinary wav file."],
  "aligner-unavailable": OPERATOR, "encoder-unavailable": OPERATOR, "aligner-failed": OPERATOR,
  "model-unavailable": OPERATOR, "replica-lost": OPERATOR, "internal-error": OPERATOR,
};

/** Title and advice by status, for responses without a code: those of a proxy before the service. */
const BY_STATUS = {
  413: KNOWN["upload-too-large"], 429: KNOWN["rate-limited"],
  502: KNOWN.unreachable, 503: KNOWN.unreachable, 504: KNOWN.deadline,
};
const UNKNOWN = ["The service responded in a way that this page does not know", LATER];
/** Problems of the page itself, which are in its language. */
const OWN = ["microphone"];

/**
 * @param {Problem} problem
 * @returns {{title: string, advice: string, detail: string}} `detail` is the message of the service, if it adds
 *   something
 */
export function describeProblem({ title, detail, code, status }) {
  if (OWN.includes(code)) return { title, advice: detail, detail: "" };
  if (Object.hasOwn(KNOWN, code)) return { title: KNOWN[code][0], advice: KNOWN[code][1], detail };
  const [known, advice] = BY_STATUS[code ? 0 : status] ?? UNKNOWN;
  return { title: known, advice, detail: `${title}: ${detail}` };
}
