/** Colours of emotions, and what the classes of an answer say. */

const KNOWN = ["angry", "happy", "excited", "sad", "frustrated", "surprised", "neutral", "calm", "afraid", "disgusted"];

/** A CSS colour for a label; a label of somebody's own bundle gets the common one. */
export function colourOf(emotion) {
  return KNOWN.includes(emotion) ? `var(--${emotion})` : "var(--other)";
}

/** The same as a canvas takes it: rgb(), in the theme that is on. */
export function resolveColour(colour, near = document.body) {
  const probe = document.createElement("i");
  probe.style.color = colour;
  near.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

/** [[emotion, probability], …], largest first. */
export function ranked(probabilities) {
  return Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
}

/** The mean of utterances' probabilities by duration, of "text_probabilities" or "audio_probabilities". */
export function meanProbabilities(utterances, field) {
  const mean = {};
  let total = 0;
  for (const utterance of utterances) {
    const duration = utterance.end_s - utterance.start_s;
    total += duration;
    for (const [emotion, probability] of Object.entries(utterance[field])) {
      mean[emotion] = (mean[emotion] ?? 0) + duration * probability;
    }
  }
  for (const emotion of Object.keys(mean)) mean[emotion] /= total;
  return mean;
}
