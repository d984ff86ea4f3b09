"""MODEL_CARD.md, written from what was measured and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.bundle import BundleConfig

_INTENDED: Final = """## What it is for

Telling which of the emotions above short English speech shows, from words and voice together, in research and
prototypes. Not for decisions about people: employment, education, policing, health or credit.
"""

_LIMITS: Final = """## Limits

Acted or elicited North American English; other accents, languages, children, phones and noise were not tested. Shown
emotion is not felt emotion. A class that the list above lacks is answered with one that it has.
"""


def render_card(config: BundleConfig, metrics: Mapping[str, Any]) -> str:
    """The model card of a bundle.

    Args:
        config: of the bundle.
        metrics: what metrics.json holds: "cross_validation", "untouched_clips" and "notes", each optional.
    """
    sections = [_heading(config), _data(config), _INTENDED]
    if "cross_validation" in metrics:
        sections.append(_cross_validation(metrics["cross_validation"]))
    if "untouched_clips" in metrics:
        sections.append(_untouched_clips(metrics["untouched_clips"]))
    if len(sections) == 3:
        sections.append("## How good it is\n\nNot measured: trained with `--skip-cv`.\n")
    sections.append(_LIMITS)
    if metrics.get("notes"):
        sections.append("## Notes\n\n" + "\n".join(f"- {note}" for note in metrics["notes"]) + "\n")
    return "\n".join(sections)


def _heading(config: BundleConfig) -> str:
    return (
        f"# {config.name}\n\n"
        "Weights of the Cross Attention Network (Lee, Yoon, Jung, Interspeech 2020), exported to ONNX by can-ser.\n\n"
        f"- Answers: {', '.join(config.emotions)}\n"
        f"- Trained on: {config.origin.trained_on}\n"
        f"- Word vectors: {config.origin.vectors}\n"
        f"- Licence of these weights: {config.origin.licence} (the code around them is Apache-2.0)\n"
        f"- Made: {config.origin.created}\n"
    )


def _data(config: BundleConfig) -> str:
    mfcc = config.features.mfcc
    return (
        "## What it reads\n\n"
        f"Words with times, and for each word {mfcc.n_mfcc} MFCCs every {mfcc.hop_samples / 16:g} ms at 16 kHz "
        f"(segmentation: {config.features.segmentation}, overlap {config.features.overlap:.0%}). "
        f"α = {config.alpha:g}; temperature {config.temperature:g}"
        f"{' (none was fitted)' if config.temperature == 1.0 else ', fitted on what the folds below held out'}.\n"
    )


def _cross_validation(figures: Mapping[str, Any]) -> str:
    lines = [
        "## How good it is: cross-validation\n",
        f"{_protocol(figures)} {figures['utterances']} utterances. Command: `{figures['command']}`.\n",
        "| what answers | WA | UA | weighted precision | macro precision | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for head, row in figures["heads"].items():
        lines.append(
            f"| {head} | {_spread(row['wa'])} | {_spread(row['ua'])} | {_spread(row['weighted_precision'])} "
            f"| {_spread(row['macro_precision'])} | {_spread(row['calibration_error'])} |"
        )
    lines.append(
        "\nMean ± population standard deviation over folds. WA is accuracy, UA the mean recall of the classes.\n"
    )
    if figures.get("calibration_error_after"):
        lines.append(
            "Calibration error is at temperature 1; at a temperature that was fitted without the fold itself it is "
            f"{_spread(figures['calibration_error_after'])}.\n"
        )
    if "by_kind" in figures:
        lines += ["| pairs | utterances | UA both | UA text alone | UA sound alone |", "|---|---|---|---|---|"]
        for kind, row in figures["by_kind"].items():
            lines.append(f"| {kind} | {row['count']} | {row['final']:.3f} | {row['text']:.3f} | {row['audio']:.3f} |")
        lines.append("")
    return "\n".join(lines)


def _protocol(figures: Mapping[str, Any]) -> str:
    if figures["folds"] == 1:
        return f"One fold alone, {figures['protocol']}: its test part, answered by these weights, which never saw it."
    return (
        f"{figures['folds']} folds {figures['protocol']}; every utterance tested once by a network that was trained "
        "without its fold."
    )


def _untouched_clips(figures: Mapping[str, Any]) -> str:
    lines = [
        "## How good it is: untouched clips through the service\n",
        (
            f"{figures['clips']} RAVDESS clips as published, each answered by the fold that never heard its actor, "
            f"through decoding, alignment and ONNX Runtime as served. Command: `{figures['command']}`.\n"
        ),
        "| words | WA | UA | refused |",
        "|---|---|---|---|",
    ]
    for source, row in figures["by_words"].items():
        lines.append(f"| {source} | {row['wa']:.3f} | {row['ua']:.3f} | {row['refused']} |")
    lines += [
        "",
        "| clips of (given words) | " + " | ".join(figures["labels"]) + " |",
        "|---" * (len(figures["labels"]) + 1) + "|",
    ]
    for label, row in zip(figures["labels"], figures["by_words"]["given transcript"]["confusion"], strict=True):
        lines.append(f"| {label} | " + " | ".join(str(count) for count in row) + " |")
    lines.append("")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return f"{mean:.3f} ± {deviation:.3f}"
