"""That the stop-gradient is worth something: a false lead that only the gradient through the other modality follows.

As in the planted signal, one bit is which of two marker words is said and the other is the sound under the marker,
right nine times in ten. A third word, which says nothing as text, stands in every utterance, and the sound under it
agrees with the sound bit almost always in training and never but by chance afterwards, as a recording's quirk may. With
the stop-gradient the text query looks where text pays, at the marker; without it, the sound pulls it to the third word.
(Were the lead true afterwards too, the same pull would help: the stop-gradient is a bet on each modality's own sense.)
"""

from dataclasses import replace
from functools import cache

import numpy as np

from model.data.batches import RaggedData
from tests.model.planted import NETWORK, TEST, TRAIN, TRAINING, accuracy, learn, say, to_data

WORDS = 21
LEAD = 4
MARKER_IS_RIGHT, LEAD_IS_RIGHT = 0.9, 0.98


@cache
def misleading() -> RaggedData:
    """Utterances of 6 to 10 words; the lead is false in the last part."""
    generator = np.random.default_rng(0)
    frames, frame_counts, words, labels = [], [], [], []
    for index in range(TRAIN + TEST):
        count = int(generator.integers(6, 11))
        marker, lead = generator.choice(count, 2, replace=False)
        text_bit, sound_bit = generator.integers(2, size=2)
        spoken = generator.integers(LEAD + 1, WORDS, count)
        spoken[[marker, lead]] = 2 + text_bit, LEAD
        signs = generator.choice([-1.0, 1.0], count)
        true = 2 * sound_bit - 1
        signs[marker] = true if generator.random() < MARKER_IS_RIGHT else -true
        if index < TRAIN:
            signs[lead] = true if generator.random() < LEAD_IS_RIGHT else -true
        lengths = generator.integers(3, 7, count)
        frames.append(say(signs, lengths, generator))
        frame_counts.append(lengths)
        words.append(spoken)
        labels.append(2 * text_bit + sound_bit)
    return to_data(frames, frame_counts, words, labels)


def accuracy_with(*, stop_gradient: bool) -> float:
    data = misleading()
    said = learn(data, WORDS, replace(NETWORK, stop_gradient=stop_gradient), TRAINING)
    return accuracy(said.final(TRAINING.alpha), data)


def test_the_stop_gradient_keeps_the_text_query_from_a_false_lead_in_the_sound() -> None:
    kept, lost = accuracy_with(stop_gradient=True), accuracy_with(stop_gradient=False)
    assert kept > 0.7
    assert lost < 0.6
