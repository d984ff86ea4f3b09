"""Rules that mark an emotion as uncertain, and the reasons that are given for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alignment.quality import SoundQuality
from alignment.timing import Seconds
from alignment.transcripts.normalisation import normalise_word
from model.vocabulary import Vocabulary
from service.inference.result import ScoredUtterance

UNKNOWN_TEXT: Final = (
    "none of the words is in the vocabulary of the weights; of the text, only the number of words contributes"
)
"""Warning of a response whose words are all unknown: each has the vector of the unknown word."""
_CLOSE: Final = 0.1
_KNOWN_SHARE: Final = 0.5
_DOUBTFUL_SHARE: Final = 0.2
_SHORT_S: Final[Seconds] = 1.0
_FEW_WORDS: Final = 2
_NOISY_DB: Final = 15.0
# About one in fifty utterances of unseen speakers of the training corpora is further away.
_UNLIKE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an emotion was estimated from.

    Attributes:
        spoken_s: Duration of the speech.
        words: Number of words.
        known_words: Number of those in the vocabulary of the weights.
        quality: Quality of the sound; None where it was not measured.
        distance: Distance of the sound from the training data, see `UtteranceScores`; None where it is not known.
        doubtful_words: Number of words that may not be what is said.
    """

    spoken_s: Seconds
    words: int
    known_words: int
    quality: SoundQuality | None = None
    distance: float | None = None
    doubtful_words: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether more than a fifth of the words are doubtful."""
        return self.doubtful_words > _DOUBTFUL_SHARE * self.words


def find_evidence(scored: ScoredUtterance, vocabulary: Vocabulary) -> Evidence:
    """Evidence of an utterance; speech without a recognised word has no word."""
    words = [normalise_word(each.word) for each in scored.utterance.words if each.word]
    known = sum(word in vocabulary for word in words)
    doubtful = sum(word.doubtful for word in scored.utterance.words)
    return Evidence(scored.utterance.duration_s, len(words), known, scored.quality, scored.scores.distance, doubtful)


def combine_evidence(parts: Sequence[Evidence]) -> Evidence:
    """Evidence of several utterances, with the sound of the longest."""
    longest = max(parts, key=lambda part: part.spoken_s)
    return Evidence(
        sum(part.spoken_s for part in parts),
        sum(part.words for part in parts),
        sum(part.known_words for part in parts),
        longest.quality,
        longest.distance,
        sum(part.doubtful_words for part in parts),
    )


def assess(probabilities: Mapping[str, float], evidence: Evidence, uncertain_below: float) -> dict[str, Any]:
    """The fields `confidence`, `uncertain` and `uncertain_reasons` of an estimate.

    Args:
        probabilities: Calibrated probability of each emotion.
        evidence: What they were estimated from.
        uncertain_below: Confidence under which an emotion is uncertain (CAN_UNCERTAIN_BELOW).
    """
    confidence = max(probabilities.values())
    uncertain = confidence < uncertain_below
    reasons = [*_compare_best(probabilities), *_describe_evidence(evidence)] if uncertain else []
    return {"confidence": confidence, "uncertain": uncertain, "uncertain_reasons": reasons}


def warn_of_unknown_text(evidence: Evidence) -> list[str]:
    """The warning that no word is in the vocabulary, where this is so, as for text in another script."""
    return [UNKNOWN_TEXT] if evidence.words and not evidence.known_words else []


def warn_of_doubtful_words(evidence: Evidence) -> list[str]:
    """The warning that many words are doubtful, where more than a fifth of them are."""
    if not evidence.is_doubtful:
        return []
    are = "word is" if evidence.doubtful_words == 1 == evidence.words else "words are"
    count = f"{evidence.doubtful_words} of {evidence.words} {are} doubtful"
    return [f"{count}: the sound hardly matches them; check the words, because wrong ones change the emotion"]


def _compare_best(probabilities: Mapping[str, float]) -> Iterator[str]:
    [(first, highest), (second, next_highest)] = sorted(probabilities.items(), key=lambda item: -item[1])[:2]
    if highest - next_highest < _CLOSE:
        yield f"{first} and {second} are almost equally likely"


def _describe_evidence(evidence: Evidence) -> Iterator[str]:
    if evidence.known_words < _KNOWN_SHARE * evidence.words:
        yield "most words are unknown to the weights"
    if evidence.is_doubtful:
        yield "many words are doubtful"
    if not evidence.words:
        yield "no word was recognised"
    if evidence.spoken_s < _SHORT_S:
        yield f"the speech is short ({evidence.spoken_s:.1f} s)"
    elif 0 < evidence.words < _FEW_WORDS:
        yield f"the speech is short ({evidence.words} word)"
    if evidence.distance is not None and evidence.distance > _UNLIKE:
        yield "the sound is unlike the training data of the weights"
    if evidence.quality is not None:
        yield from _describe_sound(evidence.quality)


def _describe_sound(quality: SoundQuality) -> Iterator[str]:
    if quality.band_hz is not None:
        yield f"the band of the sound ends at {quality.band_hz / 1_000:.1f} kHz"
    if quality.snr_db < _NOISY_DB:
        yield f"the sound is noisy (signal-to-noise ratio about {quality.snr_db:.0f} dB)"
