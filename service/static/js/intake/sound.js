/** Sound in the browser: samples to draw, and recordings as WAV. */

const RATE_HZ = 16_000;

/**
 * Mono samples at 16 kHz of a file, or null when this browser cannot read it (the service may well).
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
  const samples = new Float32Array(buffer.getChannelData(0));
  for (let channel = 1; channel < buffer.numberOfChannels; channel++) {
    buffer.getChannelData(channel).forEach((value, index) => (samples[index] += value));
  }
  for (let i = 0; buffer.numberOfChannels > 1 && i < samples.length; i++) samples[i] /= buffer.numberOfChannels;
  return { samples, duration: buffer.duration };
}

/** A 16-bit mono WAV file of samples at 16 kHz: unlike what MediaRecorder gives, every player can seek in it. */
export function wavFile(samples, name) {
  const data = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (offset, value) => [...value].forEach((c, i) => data.setUint8(offset + i, c.charCodeAt(0)));
  text(0, "RIFF");
  data.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  data.setUint32(16, 16, true);
  data.setUint16(20, 1, true);
  data.setUint16(22, 1, true);
  data.setUint32(24, RATE_HZ, true);
  data.setUint32(28, 2 * RATE_HZ, true);
  data.setUint16(32, 2, true);
  data.setUint16(34, 16, true);
  text(36, "data");
  data.setUint32(40, 2 * samples.length, true);
  samples.forEach((value, i) => data.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, value)) * 32_767), true));
  return new File([data.buffer], name, { type: "audio/wav" });
}
