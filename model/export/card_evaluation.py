"""Sections of a model card about its evaluation, rendered from metrics.json."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from model.scores import EMOTION_NAMES

Figures = Mapping[str, Any]
_CROSS_VALIDATION_METRICS: Final = {
    "wa": "WA",
    "ua": "UA",
    "weighted_precision": "weighted precision",
    "macro_precision": "macro precision",
    "calibration_error": "calibration error",
}


def render_evaluation(metrics: Figures) -> list[str]:
    """Sections for the parts of metrics.json that exist, in a fixed order.

    Args:
        metrics: Content of metrics.json; the keys of `_SECTIONS` are optional.
    """
    return [render(metrics[name]) for name, render in _SECTIONS.items() if name in metrics]


def _cross_validation(summary: Figures) -> str:
    rows = [
        (head, *(_spread(row[metric]) for metric in _CROSS_VALIDATION_METRICS))
        for head, row in summary["heads"].items()
    ]
    header = ("prediction", *_CROSS_VALIDATION_METRICS.values())
    deviation = "Mean ± population standard deviation over folds. " if summary["folds"] > 1 else ""
    lines = [
        "## Evaluation: cross-validation\n",
        f"{_protocol(summary)} {summary['utterances']} utterances. Command: `{summary['command']}`.\n",
        *_table(header, rows),
        f"\n{deviation}WA is accuracy, UA the mean recall of the classes.\n",
    ]
    if summary.get("calibration_error_after"):
        lines.append(
            "The calibration error is at temperature 1; with a calibration fitted without the test fold it is "
            f"{_spread(summary['calibration_error_after'])}.\n"
        )
    if "by_kind" in summary:
        lines += [*_by_kind(summary["by_kind"]), ""]
    return "\n".join(lines)


def _by_kind(kinds: Figures) -> Iterator[str]:
    rows = [
        (kind, row["count"], *(_number(row[head]) for head in ("final", "text", "audio")))
        for kind, row in kinds.items()
    ]
    return _table(("test utterances", "number", "UA both", "UA text alone", "UA sound alone"), rows)


def _protocol(summary: Figures) -> str:
    if summary["folds"] == 1:
        return f"A single fold, {summary['protocol']}: these weights, tested on the fold's test part."
    folds = f"{summary['folds']} folds {summary['protocol']}"
    if summary.get("limited"):
        return f"The first {folds}; only the utterances of these folds are tested, by a network trained without them."
    return f"{folds}; every utterance is tested once, by a network trained without its fold."


def _untouched_clips(summary: Figures) -> str:
    by_words, labels = summary["by_words"], summary["labels"]
    five = all("five" in row for row in by_words.values()) and len(labels) > 5
    rows = [
        (
            source,
            _number(row["wa"]),
            _number(row["ua"]),
            *([_number(row["five"]["ua"])] if five else []),
            row["refused"],
        )
        for source, row in by_words.items()
    ]
    lines = [
        "## Evaluation: unmodified clips through the service\n",
        (
            f"{summary['clips']} RAVDESS clips as published, each classified by the fold that was trained without its "
            f"actor, through decoding, alignment and ONNX Runtime as served. Command: `{summary['command']}`.\n"
        ),
        *_table(("words", "WA", "UA", *(["UA over five"] if five else []), "refused"), rows),
        "",
    ]
    given = by_words["given transcript"]
    if five:
        lines += [f"Over five: clips of {_list_emotions(given['five']['labels'])}, classified among these.\n"]
    lines += [*_confusion("true emotion (given transcript)", labels, given["confusion"]), ""]
    return "\n".join(lines)


def _robustness(summary: Figures) -> str:
    rows = [
        (name, _number(row["ua7"]), _number(row["ua5"]), row.get("refused", 0))
        for name, row in summary["conditions"].items()
    ]
    lines = [
        "## Evaluation: changed recordings\n",
        (
            f"{summary['clips']} RAVDESS clips under simulated conditions, each classified by the fold that was "
            "trained without its actor, with the word times of the clip as published. Noise is relative to the clip's "
            "mean power. Copies with simulated telephones, noise, codecs and rooms are part of the training: the "
            "speakers are unseen, the kinds of recordings are not. "
            f"Command: `{summary['command']}`.\n"
        ),
        *_table(("recording", "UA", "UA over five", "refused"), rows),
        "",
    ]
    return "\n".join(lines)


def _other_speech(summary: Figures) -> str:
    lines = ["## Evaluation: other speech\n"]
    rows = [
        (name, row["clips"], len(row["labels"]), _number(1 / len(row["labels"])), _number(row["ua"]))
        for name, row in summary.items()
    ]
    lines += [*_table(("speech", "clips", "emotions", "chance", "UA"), rows), ""]
    for name, row in summary.items():
        lines.append(f"{name}: classified among {_list_emotions(row['labels'])}. Command: `{row['command']}`.\n")
        if row.get("confusion"):
            lines += [*_confusion(f"true emotion ({name})", row["labels"], row["confusion"]), ""]
    return "\n".join(lines)


def _left_out(summary: Figures) -> str:
    metrics = ("ua", "ua_sound", "calibration_error_constant", "calibration_error")
    rows = [
        (
            name,
            row["trained_on"],
            row["clips"],
            _number(1 / len(row["labels"])),
            *(_number(row[key]) for key in metrics),
        )
        for name, row in summary["corpora"].items()
    ]
    header = (
        *("corpus left out", "utterances trained on", "clips tested", "chance", "UA", "UA sound alone"),
        *("calibration error, constant temperature", "calibration error, by distance"),
    )
    lines = [
        "## Evaluation: a corpus that training has not seen\n",
        (
            "Weights trained anew without the recordings of one corpus, for as many epochs, and tested on its clips as "
            "published, among the emotions that both have; the calibration is fitted without it and measured on its "
            f"distorted copies too. Command: `{summary['command']}`.\n"
        ),
        *_table(header, rows),
        "",
    ]
    return "\n".join(lines)


def _references(summary: Figures) -> str:
    rows = [
        (row["task"], row["name"], row["used"], _spread(row["ua"]), _spread(row["network"])) for row in summary["rows"]
    ]
    lines = [
        "## Evaluation: simple classifiers in the same folds\n",
        (
            f"UA, mean ± population standard deviation over {summary['folds']} folds. The network is trained on all "
            "parts of the corpus, a classifier on utterances like those it is tested on. "
            f"Command: `{summary['command']}`.\n"
        ),
        *_table(("tested on", "classifier", "utterances", "classifier UA", "network UA"), rows),
        "",
    ]
    return "\n".join(lines)


_SECTIONS: Final[dict[str, Callable[[Any], str]]] = {
    "cross_validation": _cross_validation,
    "untouched_clips": _untouched_clips,
    "robustness": _robustness,
    "other_speech": _other_speech,
    "left_out": _left_out,
    "references": _references,
}


def _confusion(title: str, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Iterator[str]:
    return _table((title, *labels), [(label, *row) for label, row in zip(labels, counts, strict=True)])


def _table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield _row(header)
    yield "|" + "---|" * len(header)
    yield from map(_row, rows)


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _list_emotions(labels: Sequence[str]) -> str:
    names = [EMOTION_NAMES.get(label, label) for label in labels]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float) -> str:
    return f"{value:.3f}"


def _spread(values: Sequence[float]) -> str:
    """Mean and deviation; a single value has no deviation."""
    if len(values) == 1:
        return _number(values[0])
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return f"{mean:.3f} ± {deviation:.3f}"
