"""MODEL_CARD.md of a bundle, rendered from its configuration and metrics."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.bundle import BundleConfig

_INTENDED: Final = """## Intended use

Recognition of the emotion (one of those above) shown in short English speech, from words and voice together, in
research and prototypes. Not for decisions about people: employment, education, policing, health or credit.
"""

_LIMITS: Final = """## Limits

Acted or elicited North American English; other accents, languages, children, phones and noise were not tested. Shown
emotion is not felt emotion. An emotion that is not in the list above is classified as one that is.

Contributions of words are exact over the network's states at each word. A state carries context from neighbouring
words, so that a contribution is not the effect of leaving the word out.
"""


def render_card(config: BundleConfig, metrics: Mapping[str, Any]) -> str:
    """Render the model card.

    Args:
        config: Configuration of the bundle.
        metrics: Content of metrics.json: "cross_validation", "untouched_clips" and "notes", each optional.
    """
    sections = [_heading(config), _data(config), _INTENDED]
    if "cross_validation" in metrics:
        sections.append(_cross_validation(metrics["cross_validation"]))
    if "untouched_clips" in metrics:
        sections.append(_untouched_clips(metrics["untouched_clips"]))
    if len(sections) == 3:
        sections.append("## Evaluation\n\nNot measured: trained with `--skip-cv`.\n")
    sections.append(_LIMITS)
    if metrics.get("notes"):
        sections.append("## Notes\n\n" + "\n".join(f"- {note}" for note in metrics["notes"]) + "\n")
    return "\n".join(sections)


def _heading(config: BundleConfig) -> str:
    return (
        f"# {config.name}\n\n"
        "Weights of the Cross Attention Network (Lee, Yoon, Jung, Interspeech 2020), exported to ONNX by can-ser.\n\n"
        f"- Emotions: {', '.join(config.emotions)}\n"
        f"- Training data: {config.origin.trained_on}\n"
        f"- Word vectors: {config.origin.vectors}\n"
        f"- Licence of these weights: {config.origin.licence} (the code is licensed under Apache-2.0)\n"
        f"- Date: {config.origin.created}\n"
    )


def _data(config: BundleConfig) -> str:
    mfcc = config.features.mfcc
    fitted = "not fitted" if config.temperature == 1.0 else "fitted on the held-out parts of the folds below"
    return (
        "## Input\n\n"
        f"Timed words, and for each word {mfcc.n_mfcc} MFCCs every {mfcc.hop_samples / 16:g} ms at 16 kHz "
        f"(segmentation: {config.features.segmentation}, overlap {config.features.overlap:.0%}). "
        f"α = {config.alpha:g}; temperature {config.temperature:g}, {fitted}.\n"
    )


def _cross_validation(summary: Mapping[str, Any]) -> str:
    lines = [
        "## Evaluation: cross-validation\n",
        f"{_protocol(summary)} {summary['utterances']} utterances. Command: `{summary['command']}`.\n",
        "| prediction | WA | UA | weighted precision | macro precision | calibration error |",
        "|---|---|---|---|---|---|",
    ]
    for head, row in summary["heads"].items():
        lines.append(
            f"| {head} | {_spread(row['wa'])} | {_spread(row['ua'])} | {_spread(row['weighted_precision'])} "
            f"| {_spread(row['macro_precision'])} | {_spread(row['calibration_error'])} |"
        )
    lines.append(
        "\nMean ± population standard deviation over folds. WA is accuracy, UA the mean recall of the classes.\n"
    )
    if summary.get("calibration_error_after"):
        lines.append(
            "The calibration error is at temperature 1; at a temperature fitted without the test fold it is "
            f"{_spread(summary['calibration_error_after'])}.\n"
        )
    if "by_kind" in summary:
        lines += ["| pairs | utterances | UA both | UA text alone | UA sound alone |", "|---|---|---|---|---|"]
        for kind, row in summary["by_kind"].items():
            lines.append(f"| {kind} | {row['count']} | {row['final']:.3f} | {row['text']:.3f} | {row['audio']:.3f} |")
        lines.append("")
    return "\n".join(lines)


def _protocol(summary: Mapping[str, Any]) -> str:
    if summary["folds"] == 1:
        return f"A single fold, {summary['protocol']}: these weights, tested on the fold's test part."
    return (
        f"{summary['folds']} folds {summary['protocol']}; every utterance is tested once, by a network trained without "
        "its fold."
    )


def _untouched_clips(summary: Mapping[str, Any]) -> str:
    lines = [
        "## Evaluation: unmodified clips through the service\n",
        (
            f"{summary['clips']} RAVDESS clips as published, each classified by the fold that was trained without its "
            f"actor, through decoding, alignment and ONNX Runtime as served. Command: `{summary['command']}`.\n"
        ),
        "| words | WA | UA | refused |",
        "|---|---|---|---|",
    ]
    for source, row in summary["by_words"].items():
        lines.append(f"| {source} | {row['wa']:.3f} | {row['ua']:.3f} | {row['refused']} |")
    lines += [
        "",
        "| true emotion (given transcript) | " + " | ".join(summary["labels"]) + " |",
        "|---" * (len(summary["labels"]) + 1) + "|",
    ]
    for label, row in zip(summary["labels"], summary["by_words"]["given transcript"]["confusion"], strict=True):
        lines.append(f"| {label} | " + " | ".join(str(count) for count in row) + " |")
    lines.append("")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5
    return f"{mean:.3f} ± {deviation:.3f}"
