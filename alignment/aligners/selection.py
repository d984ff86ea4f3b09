"""Choice of the aligner, with the reason for it."""

from dataclasses import dataclass
from typing import Literal

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.moonshine.model_files import NAME as MOONSHINE
from alignment.aligners.pocketsphinx.aligner import NAME as POCKETSPHINX
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.protocol import Aligner
from alignment.aligners.weights.config import NAME as WHISPERX
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import find_missing
from alignment.errors import AlignerUnavailableError
from alignment.timing import Seconds

AlignerChoice = Literal["auto", "moonshine", "pocketsphinx", "whisperx"]
_BY_NAME = "selected by name"


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """Resources of the embedded aligners.

    Attributes:
        workers: Processes of PocketSphinx, which aligns the words of Moonshine too.
        threads: Threads of one call of Moonshine.
    """

    workers: int = 1
    threads: int = 1


def choose_aligner(
    choice: AlignerChoice, whisperx: WhisperXConfig, embedded: EmbeddedConfig | None = None, limit_s: Seconds = 600.0
) -> Aligner:
    """Create the selected aligner, or with "auto" the best one of those that can run.

    Args:
        choice: "auto" selects WhisperX when it is installed with its weights, else Moonshine, else PocketSphinx.
        whisperx: Configuration of WhisperX.
        embedded: Resources of Moonshine and PocketSphinx.
        limit_s: Longest duration of one call.

    Raises:
        AlignerUnavailableError: The aligner that was selected by name cannot run.
    """
    embedded = embedded or EmbeddedConfig()
    if choice == POCKETSPHINX:
        return PocketSphinxAligner(embedded.workers, _BY_NAME, limit_s)
    if choice == MOONSHINE:
        return _moonshine(embedded, _BY_NAME, limit_s)
    missing = find_missing(whisperx) if choice == "auto" else None
    if missing is not None:
        return _choose_embedded(embedded, missing.reason, limit_s)
    # Imported only when selected: the module's purpose is torch and whisperx, although it imports them in functions.
    from alignment.aligners.whisperx.aligner import WhisperXAligner

    reason = _BY_NAME if choice == WHISPERX else "auto: installed, with its weights"
    return WhisperXAligner(whisperx, reason, limit_s)


def _choose_embedded(embedded: EmbeddedConfig, why_not_whisperx: str, limit_s: Seconds) -> Aligner:
    try:
        return _moonshine(embedded, f"auto: the embedded aligner, because {why_not_whisperx}", limit_s)
    except AlignerUnavailableError as exc:
        reason = f"auto: the last choice, because {why_not_whisperx}, and {exc.reason}"
        return PocketSphinxAligner(embedded.workers, reason, limit_s)


def _moonshine(embedded: EmbeddedConfig, reason: str, limit_s: Seconds) -> MoonshineAligner:
    return MoonshineAligner(embedded.workers, reason, limit_s, threads=embedded.threads)
