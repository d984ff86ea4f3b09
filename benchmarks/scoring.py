"""Time to score one utterance of 5 s and 14 words on one thread, compared with alternatives.

    python -m benchmarks.scoring
    python -m benchmarks.scoring --bundle starter-mfcc
    python -m benchmarks.scoring --bundle starter-mfcc --buckets

All rows are medians of one run; only their ratios carry over to another machine. wav2vec2-base has random weights, on
which its time does not depend. The floor is the arithmetic of the network at the speed of a large matrix product.
"""

import io
from typing import Annotated, Any, Final

import numpy as np
import soundfile
import torch
import typer
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch.utils.benchmark import Timer
from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

from alignment.aligners.given import build_given_transcript
from alignment.audio import decode_audio
from alignment.features.extraction import UtteranceFeatures
from alignment.pipeline import bring_to_level, choose_encoder, compute_features
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.words import TimedWord
from benchmarks.buckets import show_buckets
from model.bundle import Bundle, locate_bundle, read_bundle
from model.data.batches import Batch, RaggedData
from model.network.can import CrossAttentionNetwork
from model.runtime import EmotionClassifier

DURATION_S: Final = 5.0
WORDS: Final = tuple("i never thought that you would come back here after all of this time".split())
console = Console(highlight=False)


def example_recording() -> bytes:
    """Wav file of 5 s of noise, 16 kHz, PCM 16."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(int(DURATION_S * SAMPLE_RATE_HZ))
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def example_words() -> list[TimedWord]:
    """14 words over 4.6 s, with durations in proportion to their letters."""
    edges = 0.2 + 4.6 * np.cumsum([0, *map(len, WORDS)]) / sum(map(len, WORDS))
    return [TimedWord(w, float(a), float(b), "given") for w, a, b in zip(WORDS, edges, edges[1:], strict=False)]


def median_ms(statement: str, **names: Any) -> float:
    """Median milliseconds of repetitions over at least a second, on one thread."""
    with threadpool_limits(1):
        return Timer(statement, globals=names, num_threads=1).blocked_autorange(min_run_time=1.0).median * 1_000


def eager_input(features: UtteranceFeatures, bundle: Bundle) -> Batch:
    """Batch of one utterance for PyTorch."""
    counts = torch.from_numpy(features.frame_counts)
    one = torch.zeros(1, dtype=torch.int64)
    frames = torch.from_numpy(bundle.config.normalisation.apply(features.frames))
    words = torch.tensor(bundle.vocabulary.indices(features.words))
    data = RaggedData(frames, counts, one + len(counts), words, one + len(words), one)
    return data.batch(one)


def network_gflop(frames: int, words: int, bundle: Bundle) -> float:
    """Multiplications and additions of all LSTMs in billions; all other layers of the network need few."""
    hidden, config = bundle.config.network.hidden, bundle.config.network
    lower = ((frames, config.frame_size),) if config.segment_pooling == "blstm" else ()
    steps = (*lower, (words, 2 * hidden), (words, config.embedding_dim))
    total: float = sum(2 * 2 * count * 4 * hidden * (inputs + hidden) for count, inputs in steps) / 1e9
    return total


def matrix_product_gflop_per_s() -> float:
    """Speed of a 1024 × 1024 matrix product."""
    a = torch.randn(1024, 1024)
    return 2 * 1024**3 / 1e9 / (median_ms("a @ a", a=a) / 1_000)


@torch.no_grad()
def compare(bundle: Bundle) -> Table:
    """Measure all rows of the comparison."""
    recording, classifier = example_recording(), EmotionClassifier(bundle, "cpu")
    waveform = decode_audio(recording)
    transcript = build_given_transcript(example_words(), waveform.duration_s)
    spec = bundle.config.features
    encoder = choose_encoder(spec)
    levelled = bring_to_level(waveform, spec)
    features = compute_features(levelled, transcript, spec, encoder)
    network = CrossAttentionNetwork(
        torch.zeros(len(bundle.vocabulary), bundle.config.network.embedding_dim),
        len(bundle.config.labels),
        bundle.config.network,
    ).eval()
    wav2vec2 = Wav2Vec2ForSequenceClassification(Wav2Vec2Config(num_labels=len(bundle.config.labels))).eval()
    names = {"decode": decode_audio, "compute_features": compute_features, "classifier": classifier} | {
        "recording": recording, "waveform": levelled, "transcript": transcript, "spec": spec, "features": features,
        "encoder": encoder, "level": bring_to_level,
        "network": network, "batch": eager_input(features[0], bundle), "wav2vec2": wav2vec2,
        "sound": torch.from_numpy(waveform.samples)[None],
    }  # fmt: skip
    rows = {
        "decode": "decode(recording)",
        f"features: {spec.front_end}": "compute_features(level(waveform, spec), transcript, spec, encoder)",
        "network, ONNX Runtime, with explanation": "classifier.classify(features)",
        "can-ser: the three together": (
            "classifier.classify(compute_features(level(decode(recording), spec), transcript, spec, encoder))"
        ),
        "network, PyTorch eager": "network(batch)",
        "wav2vec2-base classifier, PyTorch eager": "wav2vec2(sound)",
    }
    times = {name: median_ms(statement, **names) for name, statement in rows.items()}
    gflop = network_gflop(int(features[0].frame_counts.sum()), len(WORDS), bundle)
    speed = matrix_product_gflop_per_s()
    times[f"floor: {gflop:.3f} GFLOP at {speed:.0f} GFLOP/s"] = gflop / speed * 1_000
    ours = times["can-ser: the three together"]
    table = Table("one thread, 5 s, 14 words", "ms", "÷ can-ser", box=None)
    for name, spent_ms in times.items():
        table.add_row(name, f"{spent_ms:.2f}", f"{spent_ms / ours:.2f}")
    return table


def main(
    bundle: Annotated[str, typer.Option(help="Name of a shipped bundle, or a folder.")] = "starter",
    buckets: Annotated[bool, typer.Option("--buckets", help="Measure ragged segments, padded and in buckets.")] = False,
) -> None:
    """Print a table of milliseconds per utterance."""
    torch.set_num_threads(1)
    loaded = read_bundle(locate_bundle(bundle))
    if buckets:
        show_buckets(EmotionClassifier(loaded, "cpu"), median_ms, console)
    else:
        console.print(compare(loaded))


if __name__ == "__main__":
    typer.run(main)
