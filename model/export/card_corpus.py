"""Sections of a model card about a corpus from a table and about initial weights, rendered from metrics.json."""

from collections.abc import Iterator, Mapping
from typing import Any

Figures = Mapping[str, Any]


def render_corpus(metrics: Figures) -> list[str]:
    """Sections for "table" and "initial" of metrics.json, where they exist."""
    sections = []
    if "table" in metrics:
        sections.append("## Training data\n\n" + "".join(f"- {line}\n" for line in _table(metrics["table"])))
    if "initial" in metrics:
        sections.append("## Initial weights\n\n" + _initial(metrics["initial"]) + "\n")
    return sections


def _table(table: Figures) -> Iterator[str]:
    yield f"Recordings: {table['used']} of {table['rows']} rows of a table" + _left_out(table["left_out"])
    yield f"Labels: {_count(table['labels'])}"
    known = [f"{table[name]} {name}" for name in ("speakers", "sessions") if table[name]]
    yield f"Speakers and sessions: {', '.join(known) or 'not known'}"
    yield f"Words: {_count(table['words'])}{_aligner(table['aligner'])}"
    yield f"Folds: {table['folds']}"
    yield from table["notes"]


def _left_out(reasons: Mapping[str, int]) -> str:
    return f"; left out: {_count(reasons)}" if reasons else ""


def _aligner(aligner: Figures | None) -> str:
    return f", by {aligner['name']} ({aligner['model']})" if aligner else ""


def _count(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _initial(initial: Figures) -> str:
    kept, new = ", ".join(initial["labels_kept"]), ", ".join(initial["labels_new"])
    return (
        f"Training began with the bundle {initial['bundle']} {initial['version']}, trained on {initial['trained_on']}, "
        f"licensed under {initial['licence']}. Outputs kept for the labels: {kept or 'none'}; new for: "
        f"{new or 'none'}. Words that its vocabulary does not contain: {initial['words_new']}."
    )
