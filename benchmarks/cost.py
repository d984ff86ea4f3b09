"""What a second of sound costs, and how many cores an archive takes: the sum of docs/scaling.md.

    python -m benchmarks.cost --clips FOLDER

It counts processor time of this process and its recogniser, not time on the clock, so that other work on the machine
changes little.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import psutil
import typer

from alignment.audio import decode_audio
from benchmarks.clips import given_words, read_clips
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings

_HOURS_A_DAY: Final = 10_000
_FIXTURES: Final = Path("tests/fixtures/speech")


def processor_s() -> float:
    """Of this process and those that it started."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children(recursive=True))]
    return float(sum(used.user + used.system for used in times))


def cost_of(engine: EmotionEngine, clips: Sequence[bytes], ask: Callable[[bytes], AnalysisRequest]) -> float:
    """Processor seconds per second of sound, from the file to the answer as JSON."""
    requests = [ask(clip) for clip in clips]
    before = processor_s()
    for clip, request in zip(clips, requests, strict=True):
        to_response(engine.analyse(clip, request), engine).model_dump_json()
    return (processor_s() - before) / sum(decode_audio(clip).duration_s for clip in clips)


def main(
    clips: Annotated[Path, typer.Option(help="Folder of wav or flac recordings")] = _FIXTURES,
    count: Annotated[int, typer.Option(min=1, help="Clips taken from it")] = 40,
) -> None:
    """Prints processor seconds per second of sound, and the cores that 10,000 hours a day take."""
    recordings = read_clips(clips, count)
    engine = EmotionEngine(Settings(aligner="pocketsphinx"))
    engine.warm_up()
    kinds: dict[str, Callable[[bytes], AnalysisRequest]] = {
        "words recognised (PocketSphinx)": lambda _: AnalysisRequest(),
        "words given": lambda clip: AnalysisRequest(words=given_words(clip)),
    }
    for name, ask in kinds.items():
        cost = cost_of(engine, recordings, ask)
        cores = _HOURS_A_DAY / 24 * cost
        print(f"{name:32} {cost:.4f} s per second of sound, {cores:.1f} cores for {_HOURS_A_DAY:,} hours a day")
    engine.close()


if __name__ == "__main__":
    typer.run(main)
