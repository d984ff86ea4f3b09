"""Warnings about the words of a transcript."""

from collections.abc import Sequence
from typing import Final

from alignment.transcripts.words import TimedWord

_MAX_LISTED: Final = 10


def recognition_warnings(words: Sequence[TimedWord]) -> tuple[str, ...]:
    """Warnings about recognised words: segments without a word, interpolated times.

    Args:
        words: Words of all utterances; "" for speech without a recognised word.
    """
    recognised = [word for word in words if word.word]
    unknown = len(words) - len(recognised)
    interpolated = sum(word.timing == "interpolated" for word in recognised)
    count = len(recognised)
    warnings = {
        f"no word was recognised in {unknown} speech segments; their emotion comes from the audio alone": unknown,
        f"{interpolated} of {count} words could not be aligned; their times were interpolated": interpolated,
    }
    return tuple(text for text, found in warnings.items() if found)


def alignment_warnings(words: Sequence[TimedWord]) -> tuple[str, ...]:
    """Warnings about the words of a given transcript: interpolated times, guessed pronunciations."""
    interpolated = sum(word.timing == "interpolated" for word in words)
    guessed = [word.word for word in words if word.guessed_pronunciation]
    warnings = []
    if interpolated == len(words):
        warnings.append("the audio does not match the transcript; all word times were interpolated")
    elif any(word.timing == "recognised" for word in words):
        warnings.append(
            f"the audio does not match the transcript word by word; {len(words) - interpolated} of {len(words)} words "
            "have recognised times, the others were interpolated"
        )
    elif interpolated:
        warnings.append(f"{interpolated} of {len(words)} words could not be aligned; their times were interpolated")
    if guessed:
        warnings.append(f"pronunciation guessed by letter-to-sound rules: {', '.join(guessed[:_MAX_LISTED])}")
    return tuple(warnings)
