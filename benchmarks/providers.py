"""Time of the network on a CPU and on CUDA, with batches of 1, 8 and 32 utterances.

    python -m benchmarks.providers

The CPU uses one thread, as the service does. Providers that are not available are reported as not measured. The
probabilities of both must agree.
"""

import time
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from alignment.features.extraction import UtteranceFeatures
from alignment.onnx_session import CPU, CUDA, Provider
from model.bundle import Bundle, locate_bundle, read_bundle
from model.errors import ProviderError
from model.runtime import EmotionClassifier

_PROVIDERS: Final[dict[Provider, str]] = {"cpu": CPU, "cuda": CUDA}
_BATCHES: Final = (1, 8, 32)
_WORDS: Final = 14
_FRAMES: Final = (9, 80)
_REPEATS: Final = 30
_AGREEMENT: Final = 1e-4
console = Console(highlight=False, width=120)


def example_utterances(bundle: Bundle, count: int) -> list[UtteranceFeatures]:
    """Utterances of 14 known words of 90 to 800 ms; the values do not affect the time."""
    generator = np.random.default_rng(0)
    words = tuple(bundle.vocabulary.words[2 : 2 + _WORDS])
    mean, std = np.array(bundle.config.normalisation.mean), np.array(bundle.config.normalisation.std)
    utterances = []
    for _ in range(count):
        counts = generator.integers(*_FRAMES, _WORDS, endpoint=True)
        noise = generator.standard_normal((int(counts.sum()), len(mean)))
        frames = (noise * std + mean).astype(np.float32)
        utterances.append(UtteranceFeatures(words, frames, counts))
    return utterances


def median_ms(classifier: EmotionClassifier, utterances: list[UtteranceFeatures]) -> float:
    """Median milliseconds per utterance of a batch."""
    spent_s = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        classifier.classify(utterances)
        spent_s.append(time.perf_counter() - started)
    return 1_000 * float(np.median(spent_s)) / len(utterances)


def main(bundle: Annotated[str, typer.Option(help="Name of a shipped bundle, or a folder.")] = "starter") -> None:
    """Print a table of milliseconds per utterance."""
    loaded = read_bundle(locate_bundle(bundle))
    utterances = example_utterances(loaded, max(_BATCHES))
    table = Table("provider", *(f"batch {size}" for size in _BATCHES), box=None)
    outputs = []
    for provider, name in _PROVIDERS.items():
        try:
            classifier = EmotionClassifier(loaded, provider)
        except ProviderError:
            table.add_row(name, *("not measured" for _ in _BATCHES))
            continue
        outputs.append([scores.probabilities for scores in classifier.classify(utterances)])
        table.add_row(name, *(f"{median_ms(classifier, utterances[:size]):.2f} ms" for size in _BATCHES))
    difference = max(float(np.abs(np.array(output) - np.array(outputs[0])).max()) for output in outputs)
    if difference > _AGREEMENT:
        raise SystemExit(f"the providers' probabilities differ by {difference:.2g}")
    console.print("utterances of 14 words and 6.2 s on average; not measured: the provider is not available")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
