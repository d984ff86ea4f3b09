"""Choice of the aligner, with the reason for it."""

from typing import Literal

from alignment.aligners.pocketsphinx.aligner import NAME as POCKETSPHINX
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.protocol import Aligner
from alignment.aligners.weights.config import NAME as WHISPERX
from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.weights.locate import find_missing
from alignment.timing import Seconds

AlignerChoice = Literal["auto", "pocketsphinx", "whisperx"]


def choose_aligner(
    choice: AlignerChoice, whisperx: WhisperXConfig, pocketsphinx_workers: int = 1, limit_s: Seconds = 600.0
) -> Aligner:
    """Create the selected aligner, or with "auto" the better one of those that can run.

    Args:
        choice: "auto" selects WhisperX when it is installed with its weights, else PocketSphinx.
        whisperx: Configuration of WhisperX.
        pocketsphinx_workers: Worker processes of PocketSphinx.
        limit_s: Longest duration of one call.

    Raises:
        AlignerUnavailableError: WhisperX was selected by name and cannot run.
    """
    if choice == POCKETSPHINX:
        return PocketSphinxAligner(pocketsphinx_workers, "selected by name", limit_s)
    missing = find_missing(whisperx) if choice == "auto" else None
    if missing is not None:
        reason = f"auto: the embedded aligner, because {missing.reason}"
        return PocketSphinxAligner(pocketsphinx_workers, reason, limit_s)
    # Imported only when selected: the module's purpose is torch and whisperx, although it imports them in functions.
    from alignment.aligners.whisperx.aligner import WhisperXAligner

    reason = "selected by name" if choice == WHISPERX else "auto: installed, with its weights"
    return WhisperXAligner(whisperx, reason, limit_s)
