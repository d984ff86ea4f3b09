"""Workflow of `python -m model.study`: sensitivity to single settings, recognised words, front ends."""

from collections.abc import Sequence
from typing import Final

from alignment.features.encoded import FrontEnd
from model.errors import TrainingError
from model.report.rows import Row
from model.training.recipes import Recipe, change, choose_recipe
from model.training.systems import SYSTEMS, Words
from model.workflows.console import exit_status, print_line
from model.workflows.preparation import check_device, lock_run
from model.workflows.recognition import find_recognisers
from model.workflows.study import Study, StudyOptions, check_numbers, train_study

_FACTORS: Final = (
    *("network.hidden=64", "network.hidden=128", "network.heads=full", "network.heads=split"),
    *("network.heads=projected", "features.padding=none", "features.padding=utterance", "features.fillers=kept"),
    *("features.fillers=dropped", "features.overlap=0", "features.overlap=0.1", "features.overlap=0.2"),
    *("features.mfcc.pre_emphasis=0", "features.mfcc.pre_emphasis=0.97", "features.mfcc.n_mels=128"),
    *("training.normalise=true", "training.normalise=false", "network.segment_dropout=pooled"),
    *("network.segment_dropout=frames", "training.augmentation.word_dropout=0.02", "training.class_weights=true"),
)
"""Single changes of the sensitivity study; those that a recipe has already are left out."""
_FRONT_ENDS: Final[tuple[FrontEnd, ...]] = ("mfcc", "encoder", "both")
_FRONT_END_SYSTEMS: Final = ("can", "audio", "can-no-cross-attention")
_ALIGNED: Final = "reference"


def run_study(name: str, options: StudyOptions, rows: Sequence[str]) -> int:
    """Train what is not finished and write the report; return 1, with the reason on standard error, on failure.

    Args:
        name: "sensitivity", "asr" or "front-ends".
        options: Options of the command.
        rows: Keys of rows; empty for all.
    """
    return exit_status(lambda: _run(name, options, rows))


def _run(name: str, options: StudyOptions, rows: Sequence[str]) -> None:
    check_device(options.device)
    check_numbers("--seeds", options.seeds)
    recipe = choose_recipe(options.recipe, options.settings)
    studies = {"sensitivity": lambda: sensitivity(recipe), "asr": _recognised_words, "front-ends": front_ends}
    study = choose_rows(studies[name](), rows)
    with lock_run(options.out):
        train_study(study, options)


def sensitivity(recipe: Recipe) -> Study:
    """CAN with one setting changed at a time; "base" is the recipe itself."""
    changes = [setting for setting in _FACTORS if change(recipe, [setting]) != recipe]
    rows = [Row("base", "CAN, no change", "can"), *(Row(_key(own), f"`{own}`", "can", (own,)) for own in changes)]
    return _study("Sensitivity of CAN to single settings", rows, "base")


def _key(setting: str) -> str:
    """Name of a setting without its groups, for example "hidden-64" of "network.hidden=64"."""
    name, _, value = setting.partition("=")
    return f"{name.rsplit('.', 1)[-1]}-{value}"


def front_ends() -> Study:
    """CAN, AudioModel and CAN without cross attention, each with every front end."""
    rows = [
        Row(f"{system}-{front}", f"{SYSTEMS[system].title}, {front}", system, (f"features.front_end={front}",))
        for front in _FRONT_ENDS
        for system in _FRONT_END_SYSTEMS
    ]
    study = _study("Front ends with and without cross attention", rows, "can-mfcc")
    tables = {f"Front end {front}": [f"{system}-{front}" for system in _FRONT_END_SYSTEMS] for front in _FRONT_ENDS}
    return Study(study.module, study.title, study.rows, tables, study.reference)


def _recognised_words() -> Study:
    present, absent = find_recognisers()
    for name, reason in absent.items():
        print_line(f"without {name}: {reason}")
    return asr_mismatch(present)


def asr_mismatch(recognisers: Sequence[Words]) -> Study:
    """CAN on the corpus's words; tested on recognised ones; trained and tested on recognised ones."""
    rows = [Row(_ALIGNED, "reference words in training and test", "can")]
    for words in recognisers:
        title = f"reference words in training, {words} in test"
        rows.append(Row(f"{words}-test", title, "can", words=words, trained_on="corpus"))
        rows.append(Row(f"{words}-train-test", f"{words} in training and test", "can", words=words))
    return _study("Words of the corpus and words of a recogniser", rows, _ALIGNED)


def _study(title: str, rows: Sequence[Row], reference: str) -> Study:
    return Study("model.study", title, tuple(rows), {title: [row.key for row in rows]}, reference)


def choose_rows(study: Study, keys: Sequence[str]) -> Study:
    """Study with some of its rows; the reference is always among them.

    Raises:
        TrainingError: There is no such row.
    """
    known = [row.key for row in study.rows]
    for key in keys:
        if key not in known:
            raise TrainingError(f"--rows {key!r}: choose from {', '.join(known)}")
    kept = {*keys, study.reference} if keys else set(known)
    rows = tuple(row for row in study.rows if row.key in kept)
    tables = {caption: [key for key in members if key in kept] for caption, members in study.tables.items()}
    return Study(study.module, study.title, rows, {name: own for name, own in tables.items() if own}, study.reference)
