"""Accuracy on a corpus that training has not seen at all.

    python -m benchmarks.left_out --root runs/composite --run runs/starter

Two trainings with the settings and data of a prepared run: without nEMO, tested on its clips, and without RAVDESS and
the sentences composed of it (nEMO alone remains), tested on its published clips. Only clips as published are tested, on
the emotions that both corpora have. The figures are written to metrics.json and MODEL_CARD.md of the bundle. The number
of epochs is that of the run: fewer utterances are fewer steps.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import Progress, TaskID

from benchmarks.held_out import Target, measure
from model.corpora.pairing import CLIP, COMPOSITE, FOREIGN, Sentence, read_sentences
from model.data.prepared import PreparedData
from model.data.splits import Split
from model.runs.folder import Run
from model.scores import log_softmax
from model.training.experiment import Experiment, train_fold
from model.training.loop import Epoch, Logits


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A corpus to leave out.

    Attributes:
        name: Description of training and test.
        train: Parts of the composite corpus to train on.
        test: Part whose unchanged clips are tested.
    """

    name: str
    train: tuple[str, ...]
    test: str


PLANS: Final = (
    LeftOut("trained without nEMO, tested on it", (COMPOSITE, CLIP), FOREIGN),
    LeftOut("trained on nEMO alone, tested on RAVDESS", (FOREIGN,), CLIP),
)


def split_by_source(plan: LeftOut, names: Sequence[str], sentences: Mapping[str, Sentence]) -> Split:
    """Training and test utterances of a plan."""
    own = [sentences[name] for name in names]
    train = [index for index, each in enumerate(own) if each.source in plan.train]
    test = [index for index, each in enumerate(own) if each.source == plan.test and each.changed == "clean"]
    return Split(f"without-{plan.test}", np.array(train, np.int64), np.zeros(0, np.int64), np.array(test, np.int64))


def evaluate(experiment: Experiment, labels: NDArray[np.int64], split: Split, logits: Logits) -> dict[str, Any]:
    """Metrics over the emotions of both training and test, of both modalities together and of sound alone."""
    names = experiment.labels
    shared = np.intersect1d(labels[split.train], labels[split.test])
    chosen = [names[index] for index in shared]
    true = [names[index] for index in labels[split.test]]
    final = measure(true, logits.final(experiment.training.alpha), names, chosen)
    sound = measure(true, log_softmax(logits.unimodal["audio"]), names, chosen)
    return final | {"trained_on": len(split.train), "ua_sound": sound["ua"]}


def train_and_test(
    plan: LeftOut,
    experiment: Experiment,
    data: PreparedData,
    sentences: Mapping[str, Sentence],
    device: str,
    on_epoch: Callable[[Epoch], None],
) -> dict[str, Any]:
    """Train on the parts of a plan and test on the part that it leaves out."""
    split = split_by_source(plan, data.names, sentences)
    trained = train_fold(experiment, data, split, on_epoch, device)
    if trained.test is None:
        raise typer.BadParameter(f"the corpus has no clips as published of the part {plan.test}", param_hint="--root")
    return evaluate(experiment, data.labels, split, trained.test)


def main(
    root: Annotated[Path, typer.Option(help="Composite corpus.")] = Path("runs/composite"),
    run: Annotated[Path, typer.Option(help="Prepared or finished run of model.train.")] = Path("runs/starter"),
    bundle: Annotated[Path, typer.Option(help="Bundle to complete: metrics.json and card.")] = Path(
        "model/bundles/starter"
    ),
    device: Annotated[str, typer.Option(help="Device, as torch names it.")] = "cpu",
) -> None:
    """Train twice, print the accuracy on the corpus left out and write it to the bundle."""
    target, folder, sentences = Target.read(bundle), Run(run), read_sentences(root)
    target.check_run(folder)
    data, experiment = folder.data(), folder.experiment()
    if experiment.training.patience:
        raise typer.BadParameter(
            "the run stops early by validation, but here is no validation part", param_hint="--run"
        )
    figures = {}
    with Progress() as progress:
        for plan in PLANS:
            bar = progress.add_task(plan.name, total=experiment.training.max_epochs)
            advance = _advance(progress, bar)
            figures[plan.name] = train_and_test(plan, experiment, data, sentences, device, advance)
    for name, row in figures.items():
        print(f"{name}: UA {row['ua']:.3f}, sound alone {row['ua_sound']:.3f}, {row['clips']} clips")
    target.metrics["left_out"] = {"command": "python -m benchmarks.left_out", "plans": figures}
    target.write()


def _advance(progress: Progress, bar: TaskID) -> Callable[[Epoch], None]:
    return lambda epoch: progress.advance(bar)


if __name__ == "__main__":
    typer.run(main)
