"""Processor time per second of audio, and cores per archive, for docs/scaling.md.

    python -m benchmarks.cost --clips FOLDER

Measures the processor time of this process and its child processes, which depends little on other load.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from alignment.audio import decode_audio
from benchmarks.clips import FIXTURES, given_words, read_clips
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings

_HOURS_A_DAY: Final = 10_000


def processor_s() -> float:
    """Processor time of this process and its child processes."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return float(sum(used.user + used.system for used in times))


def cost_of(engine: EmotionEngine, clips: Sequence[bytes], make_request: Callable[[bytes], AnalysisRequest]) -> float:
    """Processor seconds per second of audio, from the file to the JSON response."""
    requests = [make_request(clip) for clip in clips]
    before = processor_s()
    for clip, request in zip(clips, requests, strict=True):
        to_response(engine.analyse(clip, request), engine).model_dump_json()
    return (processor_s() - before) / sum(decode_audio(clip).duration_s for clip in clips)


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings.")] = FIXTURES,
    count: Annotated[int, typer.Option(min=1, help="Number of clips.")] = 40,
) -> None:
    """Print processor seconds per second of audio, and the cores for 10,000 hours per day."""
    recordings = read_clips(clips, count)
    engine = EmotionEngine(Settings(aligner="moonshine"))
    engine.warm_up()
    kinds: dict[str, Callable[[bytes], AnalysisRequest]] = {
        "words recognised (Moonshine)": lambda _: AnalysisRequest(),
        "words given": lambda clip: AnalysisRequest(words=given_words(clip)),
    }
    for name, make_request in kinds.items():
        cost = cost_of(engine, recordings, make_request)
        cores = _HOURS_A_DAY / 24 * cost
        print(f"{name:32} {cost:.4f} s per second of audio, {cores:.1f} cores for {_HOURS_A_DAY:,} hours per day")
    engine.close()


if __name__ == "__main__":
    typer.run(main)
