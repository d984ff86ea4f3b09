"""What every engine that finds timed words offers."""

from typing import Protocol

from alignment.audio import Waveform
from alignment.transcripts.words import AlignerInfo, Transcript


class Aligner(Protocol):
    """Turns sound into utterances of timed words; threads may share one."""

    @property
    def info(self) -> AlignerInfo:
        """Engine, model, language, and why this engine was taken."""

    @property
    def calls_at_once(self) -> int:
        """How many calls are worth having under way; more than that only wait inside."""

    def warm_up(self) -> None:
        """Loads what is needed and answers once, so that the first request waits for nothing.

        Raises:
            AlignerError: the engine cannot work.
        """

    def recognise(self, waveform: Waveform, language: str | None = None) -> Transcript:
        """Words that are said, with their times.

        Args:
            waveform: the sound.
            language: ISO 639-1 code; None for the aligner's own.

        Raises:
            NoSpeechError: nobody speaks.
            UnsupportedLanguageError: the engine does not know the language.
            AlignerFailedError: the engine broke.
        """

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """Times of words that are known (forced alignment).

        Args:
            waveform: the sound.
            text: what is said, words separated by white space.
            language: as in `recognise`.

        Raises:
            EmptyTranscriptError: the text holds no word.
            NoSpeechError, UnsupportedLanguageError, AlignerFailedError: as in `recognise`.
        """

    def close(self) -> None:
        """Ends processes and frees memory."""
