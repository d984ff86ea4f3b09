"""Interface of the engines that turn audio into timed words."""

from typing import Protocol

from alignment.audio import Waveform
from alignment.transcripts.words import AlignerInfo, Transcript


class Aligner(Protocol):
    """Recognition and forced alignment; safe to share between threads."""

    @property
    def info(self) -> AlignerInfo:
        """Engine, model, language, and why this engine was selected."""

    @property
    def calls_at_once(self) -> int:
        """Number of concurrent calls that are useful; further ones only queue inside."""

    @property
    def loaded(self) -> bool:
        """False where the models were unloaded because they were not used; the next call loads them."""

    def warm_up(self) -> None:
        """Load the models and run each once, so that the first request is not delayed.

        Raises:
            AlignerError: The engine cannot run.
        """

    def check_language(self, language: str | None) -> None:
        """Raise unless the aligner supports a language; this loads no model and waits for nothing.

        Args:
            language: As in `recognise`.

        Raises:
            UnsupportedLanguageError: The engine does not support the language.
        """

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Recognise the spoken words with their times.

        Args:
            waveform: Decoded audio.
            language: ISO 639-1 code; None for the aligner's default; "auto" (`DETECT`) for the
                one that is spoken, which an aligner of one language need not detect.

        Raises:
            NoSpeechError: The audio holds no speech.
            UnsupportedLanguageError: The engine does not support the language.
            AlignerFailedError: The engine failed.
        """

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """Find the times of known words (forced alignment).

        Args:
            waveform: Decoded audio.
            text: Spoken words, separated by white space.
            language: As in `recognise`.

        Raises:
            EmptyTranscriptError: The text holds no word.
            NoSpeechError, UnsupportedLanguageError, AlignerFailedError: As in `recognise`.
        """

    def close(self) -> None:
        """End threads and processes and free memory."""
