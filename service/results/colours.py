"""Colours of emotions: fixed ones of the known labels, and distinct ones of the labels of a bundle of one's own."""

from collections.abc import Iterable
from typing import Final

COLOURS: Final = {
    "angry": "#d5403b",
    "happy": "#e3a008",
    "excited": "#ea7317",
    "sad": "#3b7dd8",
    "frustrated": "#a0522d",
    "surprised": "#a44bc7",
    "neutral": "#808794",
    "calm": "#4c9a8a",
    "fearful": "#4b5675",
    "disgusted": "#7a8f1c",
}
"""As on the web page."""
OTHERS: Final = ("#9a6b8f", "#2f8f9d", "#b5651d", "#4f9a3a", "#6d5bd0", "#c2477f", "#5c7a99", "#8a7a2b")
"""Of labels that are not known, in the order of the bundle; after the last one they begin again. As on the web page."""


def colour_labels(labels: Iterable[str]) -> dict[str, str]:
    """Colour of each label, as #rrggbb.

    Args:
        labels: All labels of a bundle, in its order, as in the probabilities of a response.
    """
    others = 0
    colours = {}
    for label in labels:
        colours[label] = COLOURS.get(label) or OTHERS[others % len(OTHERS)]
        others += label not in COLOURS
    return colours
