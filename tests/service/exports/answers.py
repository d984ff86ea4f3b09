"""Responses for the tests of exports."""

import io
from collections.abc import Sequence
from typing import Any

import webvtt

from can_ser_client.schemas import PredictOut

EMOTIONS = {"angry": 0.7, "happy": 0.2, "neutral": 0.1}
Words = Sequence[tuple[str, float, float]]


def make_word(word: str, start_s: float, end_s: float) -> dict[str, Any]:
    return {
        "word": word,
        "start_s": start_s,
        "end_s": end_s,
        "timing": "aligned",
        "score": 0.9,
        "known": True,
        "guessed_pronunciation": False,
        "text_attention": 0.5,
        "audio_attention": 0.25,
        "contribution": {"text": 0.1, "audio": -0.123456},
    }


def make_utterance(words: Words, /, **changes: Any) -> dict[str, Any]:
    """An utterance from its first to its last word."""
    fields = {
        "start_s": words[0][1] if words else 0.0,
        "end_s": words[-1][2] if words else 0.0,
        "text": " ".join(word for word, _, _ in words),
        "emotion": "angry",
        "probabilities": EMOTIONS,
        "confidence": 0.7,
        "uncertain": False,
        "text_probabilities": EMOTIONS,
        "audio_probabilities": EMOTIONS,
        "words": [make_word(*word) for word in words],
    }
    return fields | changes


def make_answer(*utterances: dict[str, Any], duration_s: float = 60.0) -> PredictOut:
    """A response with these utterances."""
    return PredictOut.model_validate(
        {
            "emotion": "angry",
            "probabilities": EMOTIONS,
            "confidence": 0.7,
            "uncertain": False,
            "utterances": utterances,
            "audio": {"duration_s": duration_s, "sample_rate_hz": 16_000, "channels": 1},
            "model": dict.fromkeys(("name", "version", "trained_on", "licence", "provider", "front_end"), "none")
            | {"labels": list(EMOTIONS)},
            "aligner": dict.fromkeys(("name", "model", "language", "reason"), "none"),
            "warnings": [],
            "timings_ms": {},
        }
    )


def say(text: str, start_s: float = 0.0, word_s: float = 0.25) -> Words:
    """Words without pauses between them."""
    return [(word, start_s + word_s * i, start_s + word_s * (i + 1)) for i, word in enumerate(text.split())]


def read_vtt(data: bytes | str) -> list[webvtt.Caption]:
    """Cues of WebVTT."""
    text = data if isinstance(data, str) else data.decode()
    return list(webvtt.from_string(text).captions)


def read_srt(data: bytes) -> list[webvtt.Caption]:
    """Cues of SubRip."""
    return list(webvtt.from_buffer(io.BytesIO(data), format="srt").captions)


def cue_times(cue: webvtt.Caption) -> tuple[float, float]:
    """Start and end in seconds, of which the properties of webvtt-py have only the whole ones."""
    start, end = (time.in_seconds() + time.milliseconds / 1_000 for time in (cue.start_time, cue.end_time))
    return start, end
