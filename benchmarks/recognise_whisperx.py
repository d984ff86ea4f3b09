"""Time of the parts of WhisperX: single and batched recognition, speech detection, alignment.

    python -m benchmarks.recognise_whisperx

Uses the models of the tests by default, so that nothing is downloaded; --model and --weights select others. The time of
recognition depends on the model, that of speech detection and of the alignment search does not.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.whisperx.aligner import WhisperXAligner, transcribe
from alignment.aligners.whisperx.ctc import Emission, align_symbols
from alignment.aligners.whisperx.models import WhisperXModels
from alignment.aligners.whisperx.recogniser import DecodingOptions, RecognitionInput
from alignment.aligners.whisperx.speech_detection import make_detector
from alignment.aligners.whisperx.word_aligner import AlignmentInput
from alignment.audio import decode_audio
from alignment.batcher import Batcher

_FOLDER: Final = Path("tests/fixtures/tiny_whisperx")
_REQUESTS: Final = 32
_FRAMES_OF_30_S: Final = 1_499
_LETTERS_OF_30_S: Final = 400


def best_s(work: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest run, since other load can only add time."""
    spent_s = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent_s.append(time.perf_counter() - started)
    return min(spent_s)


def compare_batches(models: WhisperXModels, sounds: list[NDArray[np.float32]], batch_size: int) -> None:
    """Compare sequential requests with concurrent requests in batches."""
    windows = [RecognitionInput(sounds[index % len(sounds)], DecodingOptions("en")) for index in range(_REQUESTS)]
    queue = Batcher("recognise", models.recogniser.transcribe_many, max_items=batch_size, linger_s=0.0)

    def recognise(window: RecognitionInput) -> list[str]:
        return transcribe([window], queue, batch_size, 600.0)

    def run_concurrently() -> None:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            list(pool.map(recognise, windows))

    sequential_s = best_s(lambda: [recognise(window) for window in windows])
    concurrent_s = best_s(run_concurrently)
    queue.close()
    print(
        f"recognition of {_REQUESTS} short clips: sequential {1_000 * sequential_s / _REQUESTS:.1f} ms each, "
        f"concurrent in batches of {batch_size} {1_000 * concurrent_s / _REQUESTS:.1f} ms each: "
        f"{sequential_s / concurrent_s:.2f} times as fast"
    )


def compare_detectors(sound: NDArray[np.float32]) -> None:
    """Print milliseconds of speech detection per second of audio."""
    choices: tuple[Literal["silero", "pyannote", "none"], ...] = ("silero", "pyannote", "none")
    for choice in choices:
        detector = make_detector(choice)
        spent_s = best_s(lambda detector=detector: detector.detect(sound))  # type: ignore[misc]
        print(f"speech detection, {choice}: {1_000 * spent_s / (len(sound) / 16_000):.2f} ms per second of audio")


def compare_alignment(models: WhisperXModels, sound: NDArray[np.float32], text: str) -> None:
    """Compare alignment of a clip, then only the search, for one window of 30 s and for eight."""
    from whisperx.alignment import align

    aligner = models.word_aligner("en")
    metadata = {"language": "en", "dictionary": aligner._columns, "type": "huggingface"}
    length_s = len(sound) / 16_000
    segment = {"text": text, "start": 0.0, "end": length_s}
    device = models.placement.device
    library_s = best_s(lambda: align([segment], aligner._network, metadata, sound, device))
    ours_s = best_s(lambda: aligner.align_words([AlignmentInput([sound], text.split())]))
    print(
        f"alignment with the tiny network: whisperx {1_000 * library_s / length_s:.1f} ms per second of audio, "
        f"can-ser {1_000 * ours_s / length_s:.1f}: {library_s / ours_s:.1f} times as fast"
    )
    one_s, eight_s, library_search_s = search_s()
    print(
        f"search for {_LETTERS_OF_30_S} letters in 30 s: whisperx {1_000 * library_search_s:.0f} ms, can-ser "
        f"{1_000 * one_s:.0f} ms ({library_search_s / one_s:.1f} times as fast), eight in a batch "
        f"{1_000 * eight_s / 8:.0f} ms each ({8 * library_search_s / eight_s:.1f} times)"
    )


def search_s() -> tuple[float, float, float]:
    """Seconds of the search for one window, for eight, and of the library search, on the same random emissions."""
    import torch
    from whisperx.alignment import backtrack, get_trellis

    generator = np.random.default_rng(0)
    logits = generator.standard_normal((_FRAMES_OF_30_S, 32))
    logs = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
    emissions = [Emission(logs, generator.integers(1, 32, _LETTERS_OF_30_S)) for _ in range(8)]
    tensor, symbols = torch.from_numpy(logs), emissions[0].symbols.tolist()

    def library() -> Any:
        return backtrack(get_trellis(tensor, symbols, 0), tensor, symbols, 0)

    return (
        best_s(lambda: align_symbols(emissions[:1], 0)),
        best_s(lambda: align_symbols(emissions, 0)),
        best_s(library),
    )


def main(
    model: Annotated[str, typer.Option(help="Whisper model.")] = "tiny-words",
    weights: Annotated[Path, typer.Option(help="Folder filled by can-ser fetch.")] = _FOLDER,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Device of the models.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads of one call on a CPU.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows per batch.")] = 8,
) -> None:
    """Print the figures."""
    config = WhisperXConfig(model=model, weights=str(weights), device=device, threads=threads, batch_size=batch_size)
    with redirect_stdout(sys.stderr):
        aligner = WhisperXAligner(config)
        aligner.warm_up()
    models = aligner._load()[0]
    print(f"{model} on {models.placement.device}, {models.placement.compute_type}, {threads} threads")
    clips = sorted((_FOLDER / "speech").glob("*.flac"))
    sounds = [decode_audio(clip.read_bytes()).samples for clip in clips]
    compare_batches(models, sounds, batch_size)
    compare_detectors(np.concatenate(sounds))
    compare_alignment(models, sounds[0], "river window table")


if __name__ == "__main__":
    typer.run(main)
