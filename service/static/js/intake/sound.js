/** Decoding of recordings in the browser, and writing of WAV files. */

const RATE_HZ = 16_000;

/**
 * Decode a file to mono samples at 16 kHz; null for a format that this browser does not support (the service may).
 *
 * @param {Blob} file
 * @returns {Promise<{samples: Float32Array, duration: number} | null>}
 */
export async function decode(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  let buffer;
  try {
    buffer = await context.decodeAudioData(await file.arrayBuffer());
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
  const samples = new Float32Array(buffer.length);
  for (const channel of channels) channel.forEach((value, i) => (samples[i] += value / channels.length));
  return { samples, duration: buffer.duration };
}

/** Duration of a file in seconds, from its header; null where the browser cannot state it. */
export function durationOf(file) {
  const url = URL.createObjectURL(file);
  const audio = new Audio();
  return new Promise((resolve) => {
    audio.addEventListener("loadedmetadata", () => resolve(Number.isFinite(audio.duration) ? audio.duration : null));
    audio.addEventListener("error", () => resolve(null));
    audio.preload = "metadata";
    audio.src = url;
  }).finally(() => URL.revokeObjectURL(url));
}

/** A 16-bit mono WAV file of samples at 16 kHz. Unlike the output of MediaRecorder, every player can seek in it. */
export function wavFile(samples, name) {
  const code = (text) => [...text].reduceRight((value, letter) => (value << 8) | letter.charCodeAt(0), 0);
  const pcm = Int16Array.from(samples, (value) => Math.round(Math.max(-1, Math.min(1, value)) * 32_767));
  // Typed arrays are little-endian, as WAV is, on every platform that runs a browser.
  const header = Uint32Array.of(code("RIFF"), 36 + pcm.byteLength, code("WAVE"), code("fmt "), 16, 1 | (1 << 16),
    RATE_HZ, 2 * RATE_HZ, 2 | (16 << 16), code("data"), pcm.byteLength);
  return new File([header, pcm], name, { type: "audio/wav" });
}
