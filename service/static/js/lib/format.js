/** Numbers and names as text. Numbers and their units do not break across lines. */

const ALIGNERS = { moonshine: "Moonshine", pocketsphinx: "PocketSphinx", whisperx: "WhisperX" };

/** Product name of an aligner. */
export function alignerName(name) {
  return ALIGNERS[name] ?? name;
}

/** "0:07", "12:34"; "0:07.3" with `digits` 1. */
export function clock(seconds, digits = 0) {
  const unit = 10 ** digits;
  const total = Math.round(seconds * unit);
  const minutes = Math.floor(total / (60 * unit));
  const rest = ((total - minutes * 60 * unit) / unit).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}

/** A time limit: "5 minutes", "1 minute", "90 s". */
export function timeLimit(seconds) {
  if (seconds % 60) return `${seconds}\u00a0s`;
  return seconds === 60 ? "1\u00a0minute" : `${seconds / 60}\u00a0minutes`;
}

/** "11.0 s" below one minute, "12:34" from there. */
export function duration(seconds) {
  return seconds < 60 ? `${seconds.toFixed(1)}\u00a0s` : clock(seconds);
}

/** "0.1 to 2.4 s" within the first minute, "1:04.2 to 1:07.0" later. */
export function timeRange(start, end) {
  if (end < 59.95) return `${start.toFixed(1)} to ${end.toFixed(1)}\u00a0s`;
  return `${clock(start, 1)} to ${clock(end, 1)}`;
}

/** "68 %"; "<1 %" and ">99 %" where rounding would state 0 % or 100 %. */
export function percent(probability) {
  if (probability > 0 && probability < 0.005) return "<1\u00a0%";
  if (probability < 1 && probability >= 0.995) return ">99\u00a0%";
  return `${Math.round(probability * 100)}\u00a0%`;
}

/** "+1.87" or "−0.02", with the minus sign U+2212. */
export function signed(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return `${value < 0 && Number(text) !== 0 ? "−" : "+"}${text}`;
}

/** "1 word", "3 words". */
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** A text as a sentence: with a capital and a full stop. */
export function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

/** "3.2 MB". */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)}\u00a0MB`;
}
