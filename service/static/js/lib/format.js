/** Numbers for people. */

/** "0:07", "12:34"; "0:07.3" with `digits` 1. */
export function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const total = Math.round(seconds * unit);
  const minutes = Math.floor(total / (60 * unit));
  const rest = ((total - minutes * 60 * unit) / unit).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}

const ALIGNERS = { pocketsphinx: "PocketSphinx", whisperx: "WhisperX" };

/** An aligner's name as its makers write it. */
export function alignerName(name) {
  return ALIGNERS[name] ?? name;
}

/** "5 minutes", "1 minute", "90 s": a limit. */
export function minutes(seconds) {
  if (seconds % 60) return `${seconds} s`;
  return seconds === 60 ? "1 minute" : `${seconds / 60} minutes`;
}

/** "0.1 to 2.4 s" within the first minute, "1:04.2 to 1:07.0" later. */
export function range(start, end) {
  if (end < 59.95) return `${start.toFixed(1)} to ${end.toFixed(1)} s`;
  return `${clock(start, 1)} to ${clock(end, 1)}`;
}

/** "68 %"; less than a whole per cent, but something, is "<1 %". */
export function percent(probability) {
  if (probability > 0 && probability < 0.005) return "<1 %";
  if (probability < 1 && probability >= 0.995) return ">99 %";
  return `${Math.round(probability * 100)} %`;
}

/** "+1.87" or "−0.02", with a true minus sign. */
export function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return `${value < 0 && text !== "0.00" ? "−" : "+"}${text}`;
}

/** "3.2 MB". */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/** "11.0 s" of something short, "12:34" of something long. */
export function length(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds);
}
