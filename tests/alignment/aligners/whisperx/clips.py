"""Clips of the test speech, and their texts."""

from alignment.audio import Waveform, decode_audio
from tests.builders import tiny_clips, tiny_speech

CLIPS = tiny_clips()
TEXTS = {name: " ".join(word["word"] for word in words) for name, words in CLIPS.items()}


def clip(name: str) -> Waveform:
    return decode_audio(tiny_speech(name))
