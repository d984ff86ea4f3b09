"""MODEL_CARD.md of a bundle, rendered from its configuration and metrics."""

import re
from collections.abc import Mapping
from typing import Any, Final

from alignment.features.encoded import ENCODER_HOP_SAMPLES, ENCODER_SIZE
from alignment.features.extraction import FeatureSpec
from model.bundle import BundleConfig
from model.calibration import Calibration
from model.export.card_corpus import render_corpus
from model.export.card_evaluation import render_evaluation

_INTENDED: Final = """## Intended use

Recognition of the emotion (one of those above) shown in short speech like that of the training data, from words and
voice together, in research and prototypes. Not for decisions about people: employment, education, policing, health or
credit.
"""
_LANGUAGES: Final = {
    "IEMOCAP": "acted or elicited North American English",
    "RAVDESS": "acted North American English",
    "nEMO": "acted Polish",
    "GoEmotions": "written English",
}
"""Kind and language of the corpora that this project reads."""

_CONTRIBUTIONS: Final = """
Contributions of words are exact over the network's states at each word. A state carries context from neighbouring
words, so that a contribution is not the effect of leaving the word out.
"""
_SOURCES: Final = {
    "RAVDESS": "RAVDESS is licensed under CC BY-NC-SA 4.0.",
    "nEMO": "nEMO is licensed under CC BY-NC-SA 4.0.",
    "GoEmotions": "GoEmotions is licensed under Apache-2.0.",
}


def render_card(config: BundleConfig, metrics: Mapping[str, Any]) -> str:
    """Render the model card.

    Args:
        config: Configuration of the bundle.
        metrics: Content of metrics.json: "notes" and the parts that `render_corpus` and `render_evaluation` read, each
            optional.
    """
    sections = [_heading(config), _data(config), *render_corpus(metrics), _INTENDED]
    evaluation = render_evaluation(metrics)
    sections += evaluation or ["## Evaluation\n\nNot measured: trained with `--skip-cv`.\n"]
    sections.append(_limits(config, metrics))
    notes = [*metrics.get("notes", ()), *_source_licences(config)]
    if notes:
        sections.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes) + "\n")
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


def _source_licences(config: BundleConfig) -> list[str]:
    """Licences of the corpora that the description of the training data names."""
    return [licence for name, licence in _SOURCES.items() if _mentions(config.origin.trained_on, name)]


def _mentions(trained_on: str, corpus: str) -> bool:
    """Whether a description of training data contains the name of a corpus as a word."""
    return re.search(rf"\b{corpus}\b", trained_on) is not None


def _describe_languages(trained_on: str) -> str:
    """The named corpora, each with its language: a description may name others, so that none stands for all."""
    known = [f"{name} ({language})" for name, language in _LANGUAGES.items() if _mentions(trained_on, name)]
    return f"Training data{': ' if known else ''}{', '.join(known)}"


def _data(config: BundleConfig) -> str:
    features = config.features
    level = ""
    if features.level_db is not None:
        level = f" The spoken part of the sound is first brought to {features.level_db:g} dB relative to full scale."
    return (
        f"## Input\n\nTimed words, and for each word {_describe_frames(features)} "
        f"(segmentation: {features.segmentation}, overlap {features.overlap:.0%}).{level} "
        f"α = {config.alpha:g}; {_describe_calibration(config.calibration)}.\n"
    )


def _describe_calibration(calibration: Calibration) -> str:
    if calibration == Calibration():
        return "temperature 1, not fitted"
    fitted = f"temperature {calibration.temperature:g}, fitted on the held-out parts of the folds below"
    if not calibration.growth:
        return fitted
    return (
        f"{fitted} and on the corpora left out: it grows with the power {calibration.growth:g} of the distance of the "
        "sound from the training data, relative to the distance that unseen speakers of the training corpora have"
    )


def _describe_frames(features: FeatureSpec) -> str:
    """The front end: what a frame is, and how often."""
    mfcc = features.mfcc
    if features.front_end == "mfcc":
        return f"{mfcc.n_mfcc} MFCCs every {mfcc.hop_samples / 16:g} ms at 16 kHz"
    states = (
        f"the {ENCODER_SIZE} values of the states of Moonshine tiny-en's encoder (SHA-256 "
        f"{features.encoder_sha256[:12]}…) every {ENCODER_HOP_SAMPLES / 16:g} ms at 16 kHz"
    )
    if features.front_end == "encoder":
        return states
    return f"{states}, and beside each state {mfcc.n_mfcc} MFCCs of a window that begins with it"


def _limits(config: BundleConfig, metrics: Mapping[str, Any]) -> str:
    """Limits; what was tested is named as tested, and the kind of speech only where it is known."""
    speech = _describe_languages(config.origin.trained_on)
    if "robustness" in metrics:
        recordings = "Telephone, level, offset, noise, codecs and a room were simulated (above), not recorded"
    else:
        recordings = "Telephones and noise were not tested"
    if "Polish clips, unheard speakers" in metrics.get("other_speech", {}):
        languages = (
            "Of languages other than English only Polish was tested, by its sound; other accents and children were not"
        )
    else:
        languages = "Other accents, languages and children were not tested"
    return (
        f"## Limits\n\n{speech}. {languages}. {recordings}. Shown emotion is not felt "
        f"emotion. An emotion that is not in the list above is classified as one that is.\n{_CONTRIBUTIONS}"
    )
