"""Which aligner answers, and why; the choice is never silent."""

from typing import Literal

from alignment.aligners.pocketsphinx.aligner import NAME as POCKETSPHINX
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.protocol import Aligner
from alignment.aligners.weights.locate import NAME as WHISPERX
from alignment.aligners.weights.locate import WhisperXConfig, find_missing
from alignment.timing import Seconds

AlignerChoice = Literal["auto", "pocketsphinx", "whisperx"]


def choose_aligner(
    choice: AlignerChoice, whisperx: WhisperXConfig, pocketsphinx_workers: int = 1, limit_s: Seconds = 600.0
) -> Aligner:
    """The aligner that was asked for, or the better one of those that can run.

    Args:
        choice: "auto" takes WhisperX when it is installed and its weights are there, else PocketSphinx.
        whisperx: what WhisperX would load.
        pocketsphinx_workers: processes that PocketSphinx would use.
        limit_s: a call takes no longer.

    Raises:
        AlignerUnavailableError: WhisperX was asked for by name and cannot run.
    """
    if choice == POCKETSPHINX:
        return PocketSphinxAligner(pocketsphinx_workers, "asked for by name", limit_s)
    missing = find_missing(whisperx) if choice == "auto" else None
    if missing is not None:
        return PocketSphinxAligner(pocketsphinx_workers, f"auto: the embedded aligner, because {missing}", limit_s)
    # Its module names torch and whisperx inside functions only, but they are the point of it: import it when taken.
    from alignment.aligners.whisperx.aligner import WhisperXAligner

    reason = "asked for by name" if choice == WHISPERX else "auto: installed, with its weights"
    return WhisperXAligner(whisperx, reason, limit_s)
