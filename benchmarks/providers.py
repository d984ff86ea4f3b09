"""The network on a CPU and on CUDA, at batches of 1, 8 and 32 utterances.

    python -m benchmarks.providers

One thread on the CPU, as served. A provider that is not there is said to be not measured. Both must give the same
answers.
"""

import time
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from alignment.features.extraction import UtteranceFeatures
from model.bundle import Bundle, locate_bundle, read_bundle
from model.errors import ProviderError
from model.runtime import EmotionClassifier, Provider

_PROVIDERS: Final[dict[Provider, str]] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_BATCHES: Final = (1, 8, 32)
_WORDS: Final = 14
_FRAMES: Final = (9, 80)
_REPEATS: Final = 30
_AGREEMENT: Final = 1e-4
console = Console(highlight=False, width=120)


def example_utterances(bundle: Bundle, count: int) -> list[UtteranceFeatures]:
    """14 words of 90 to 800 ms each, all of them known; the values change no timing."""
    generator = np.random.default_rng(0)
    words = tuple(bundle.vocabulary.words[2 : 2 + _WORDS])
    mean, std = np.array(bundle.config.normalisation.mean), np.array(bundle.config.normalisation.std)
    found = []
    for _ in range(count):
        counts = generator.integers(*_FRAMES, _WORDS, endpoint=True)
        noise = generator.standard_normal((int(counts.sum()), len(mean)))
        frames = (noise * std + mean).astype(np.float32)
        found.append(UtteranceFeatures(words, frames, counts))
    return found


def median_ms(classifier: EmotionClassifier, utterances: list[UtteranceFeatures]) -> float:
    """Milliseconds for each utterance of a batch."""
    spent = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        classifier.classify(utterances)
        spent.append(time.perf_counter() - started)
    return 1_000 * float(np.median(spent)) / len(utterances)


def main(bundle: Annotated[str, typer.Option(help="A shipped bundle's name, or a folder")] = "starter") -> None:
    """Prints a table: milliseconds an utterance."""
    loaded = read_bundle(locate_bundle(bundle))
    utterances = example_utterances(loaded, max(_BATCHES))
    table = Table("provider", *(f"batch {size}" for size in _BATCHES), box=None)
    answers = []
    for provider, name in _PROVIDERS.items():
        try:
            classifier = EmotionClassifier(loaded, provider)
        except ProviderError:
            table.add_row(name, *("not measured" for _ in _BATCHES))
            continue
        answers.append([scores.probabilities for scores in classifier.classify(utterances)])
        table.add_row(name, *(f"{median_ms(classifier, utterances[:size]):.2f} ms" for size in _BATCHES))
    difference = max(float(np.abs(np.array(answer) - np.array(answers[0])).max()) for answer in answers)
    if difference > _AGREEMENT:
        raise SystemExit(f"the providers' probabilities differ by {difference:.2g}")
    console.print("an utterance of 14 words and 6.2 s on average; not measured: the provider is not on this machine")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
