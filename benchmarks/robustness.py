"""Accuracy of the starter bundle on changed recordings of held-out speakers, and on Polish ones.

    python -m benchmarks.robustness --ravdess DIR --nemo DIR

Published RAVDESS clips are sent as they are and as changed by telephone, level, offset, noise, codecs and a room, each
to the bundle of the fold that held out its actor. The given sentence is aligned once, on the clean clip, and its word
times are sent with every version, so that only the network and its front end are measured. Telephone, codecs and room
are simulated by the code that distorts copies for training: unseen speakers, but known kinds of recordings. nEMO clips
are sent with unknown words of about 0.4 s, as in the corpus, to the bundle that held out their speaker. The figures are
written to metrics.json and MODEL_CARD.md of the bundle.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
import soundfile
import typer
from numpy.typing import NDArray
from rich.progress import track

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.audio import decode_audio
from alignment.errors import AlignerUnavailableError, AlignmentError
from alignment.speech.voice_activity import VoiceActivityDetector
from alignment.timing import SAMPLE_RATE_HZ, samples_to_seconds
from alignment.transcripts.words import TimedWord
from benchmarks.held_out import FIVE, Rows, Target, choose, find_folds, measure, score
from model.corpora.composite import UNKNOWN_WORD
from model.corpora.distortion import add_room, encode_and_decode, over_telephone
from model.corpora.nemo import LABELS, ForeignTake, read_nemo
from model.corpora.pairing import CLIP, FOREIGN
from model.corpora.ravdess import Take, read_ravdess
from model.corpora.splicing import cut_equally
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.settings import Settings

Samples = NDArray[np.float32]
TakeT = TypeVar("TakeT", Take, ForeignTake)
Sent = tuple[bytes, AnalysisRequest]
Versions = Callable[[TakeT], list[Sent] | None]
"""Recordings of a take with their requests; None if it cannot be used."""
_COMPRESSION: Final = 0.99
_COMMAND: Final = "python -m benchmarks.robustness --ravdess DIR"
_POLISH: Final = "Polish clips, unheard speakers"


def add_white_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Add white noise at a distance from the mean power of the whole clip."""
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    noisy: Samples = (samples + level * rng.standard_normal(len(samples))).astype(np.float32)
    return noisy


def add_offset(samples: Samples, offset: float) -> Samples:
    """Add a constant; a loud clip is attenuated first, so that nothing is clipped."""
    return within(samples, 1.0 - offset) + np.float32(offset)


def within(samples: Samples, peak: float) -> Samples:
    """Attenuate a clip that exceeds a peak."""
    return samples * np.float32(min(1.0, peak / max(float(np.abs(samples).max()), 1e-9)))


CONDITIONS: Final[dict[str, Callable[[Samples, np.random.Generator], Samples]]] = {
    "as published": lambda samples, rng: samples,
    "telephone (8 kHz, mu-law)": lambda samples, rng: over_telephone(samples, narrow=False),
    "telephone, 300 to 3400 Hz": lambda samples, rng: over_telephone(samples, narrow=True),
    "20 dB quieter": lambda samples, rng: samples * np.float32(0.1),
    "constant offset of 0.1": lambda samples, rng: add_offset(samples, 0.1),
    "white noise at 20 dB": lambda samples, rng: add_white_noise(samples, 20.0, rng),
    "white noise at 10 dB": lambda samples, rng: add_white_noise(samples, 10.0, rng),
    "mp3, about 18 kbit/s": lambda samples, rng: encode_and_decode(samples, "mp3", _COMPRESSION),
    "opus, about 10 kbit/s": lambda samples, rng: encode_and_decode(samples, "opus", _COMPRESSION),
    "room (decay 0.5 s, direct sound at 0 dB)": lambda samples, rng: add_room(samples, 0.5, 0.0, rng),
}


def to_wav(samples: Samples) -> bytes:
    """Wav file, 16 kHz, 32-bit float."""
    file = io.BytesIO()
    soundfile.write(file, within(samples, 1.0), SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def change_take(take: Take, aligner: MoonshineAligner, seed: int) -> list[Sent] | None:
    """A clip under each of `CONDITIONS`, with the word times of the clean one; None if it cannot be aligned.

    Raises:
        AlignerUnavailableError: The aligner cannot run.
    """
    waveform = decode_audio(take.path.read_bytes())
    try:
        transcript = aligner.align(waveform, take.sentence)
    except AlignerUnavailableError:
        raise
    except AlignmentError:
        return None
    words = [TimedWord(w.word, w.start_s, w.end_s, "given") for each in transcript.utterances for w in each.words]
    request = AnalysisRequest(words=tuple(words))
    name = [int(part) for part in take.path.stem.split("-")]
    changes = enumerate(CONDITIONS.values())
    return [
        (to_wav(change(waveform.samples, np.random.default_rng((seed, index, *name)))), request)
        for index, change in changes
    ]


def cut_foreign_take(take: ForeignTake, detector: VoiceActivityDetector) -> list[Sent] | None:
    """The spoken stretch of a clip, with unknown words in equal parts; None without speech."""
    cut = cut_equally(take, detector)
    if cut is None:
        return None
    parts = [cut.before, *(piece.samples for piece in cut.pieces)]
    edges = [samples_to_seconds(int(end)) for end in np.cumsum([len(part) for part in parts])]
    words = tuple(TimedWord(UNKNOWN_WORD, start_s, end_s, "given") for start_s, end_s in pairwise(edges))
    return [(to_wav(np.concatenate([*parts, cut.after])), AnalysisRequest(words=words))]


def score_all(
    takes: Sequence[TakeT], folds: Mapping[str, Path], versions: Versions[TakeT], aligner: MoonshineAligner
) -> Iterator[tuple[TakeT, list[Rows] | None]]:
    """Each take with the probabilities of its versions, by the bundle that held out its speaker; in two threads."""
    for bundle in sorted(set(folds.values())):
        engine = EmotionEngine(Settings(bundle=str(bundle)), aligner=aligner)
        own = [take for take in takes if folds[take.speaker] == bundle]
        with ThreadPoolExecutor(2) as pool:
            yield from zip(own, pool.map(partial(_score_versions, engine, versions), own), strict=True)


def _score_versions(engine: EmotionEngine, versions: Versions[TakeT], take: TakeT) -> list[Rows] | None:
    sent = versions(take)
    return None if sent is None else [score(engine, recording, request) for recording, request in sent]


def to_rows(scored: Sequence[tuple[object, list[Rows] | None]], version: int, classes: int) -> Rows:
    """(clips, classes) scores of one version; NaN for a take that could not be used."""
    return np.array([np.full(classes, np.nan) if rows is None else rows[version] for _, rows in scored])


def measure_conditions(scored: Sequence[tuple[Take, list[Rows] | None]], labels: Sequence[str]) -> dict[str, Any]:
    """Metrics of each condition, over five and over all emotions."""
    true = [take.label for take, _ in scored]
    conditions = {}
    for version, name in enumerate(CONDITIONS):
        rows = to_rows(scored, version, len(labels))
        five, all_of_them = measure(true, rows, labels, FIVE), measure(true, rows, labels, labels)
        conditions[name] = {
            "ua5": five["ua"],
            "ua7": all_of_them["ua"],
            "recall5": five["recall"],
            "recall7": all_of_them["recall"],
            "refused": all_of_them["refused"],
        }
    return {"command": _COMMAND, "clips": len(scored), "conditions": conditions}


def measure_polish(scored: Sequence[tuple[ForeignTake, list[Rows] | None]], labels: Sequence[str]) -> dict[str, Any]:
    """Metrics over the emotions that nEMO has."""
    chosen = [label for label in labels if label in LABELS.values()]
    figures = measure([take.label for take, _ in scored], to_rows(scored, 0, len(labels)), labels, chosen)
    return {"command": f"{_COMMAND} --nemo DIR", **figures}


def main(
    ravdess: Annotated[
        Path | None, typer.Option(help="Folder with Actor_01, …; omit it to measure nEMO alone.")
    ] = None,
    nemo: Annotated[Path | None, typer.Option(help="Folder with data.tsv and clips of nEMO.")] = None,
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Run of model.train with --fold-bundles.")] = Path("runs/starter"),
    bundle: Annotated[Path, typer.Option(help="Bundle to complete: metrics.json and card.")] = Path(
        "model/bundles/starter"
    ),
    limit: Annotated[
        int | None, typer.Option(help="Clips of each speaker, spread evenly; nothing is then written.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of noise and room.")] = 0,
) -> None:
    """Measure the accuracy under each condition and write it to the bundle."""
    if ravdess is None and nemo is None:
        raise typer.BadParameter("name a folder of clips", param_hint="--ravdess, --nemo")
    target = Target.read(bundle)
    aligner, detector = MoonshineAligner(2), VoiceActivityDetector()
    labels, metrics = target.config.labels, target.metrics
    try:
        if ravdess is not None:
            folds = find_folds(root, run, CLIP, target)
            takes = choose(read_ravdess(ravdess), folds, limit)
            scoring = score_all(takes, folds, lambda take: change_take(take, aligner, seed), aligner)
            metrics["robustness"] = measure_conditions(list(track(scoring, "clips", len(takes))), labels)
            show_conditions(metrics["robustness"])
        if nemo is not None:
            folds = find_folds(root, run, FOREIGN, target)
            polish = choose(read_nemo(nemo), folds, limit)
            cutting = score_all(polish, folds, lambda take: cut_foreign_take(take, detector), aligner)
            figures = measure_polish(list(track(cutting, "Polish clips", len(polish))), labels)
            metrics["other_speech"] = metrics.get("other_speech", {}) | {_POLISH: figures}
            print(f"{_POLISH}: {figures['clips']}, {len(figures['labels'])} emotions, UA {figures['ua']:.3f}")
    finally:
        aligner.close()
    if limit is None:
        target.write()


def show_conditions(figures: Mapping[str, Any]) -> None:
    """Print one line per condition."""
    for name, row in figures["conditions"].items():
        print(f"{name}: UA {row['ua5']:.3f} over five, {row['ua7']:.3f} over all emotions, {row['refused']} refused")


if __name__ == "__main__":
    typer.run(main)
