"""Plot of a response: waveform by emotion, contributions and attention of words, emotion over time."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from alignment.audio import Waveform
from alignment.errors import optional_packages
from can_ser_client.schemas import PredictOut, UtteranceOut, WordOut
from service.results.colours import colour_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEXT, SOUND, QUIET = "#4f58d6", "#0d9488", "#c9c6be"
_POINTS_PER_INCH, _INCHES_A_SECOND = 200, 1.1
_WIDTH_IN: Final = (9.0, 40.0)
_READABLE_WORDS_A_SECOND: Final = 5.0


def require_matplotlib() -> None:
    """Raise unless plots can be drawn.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    with optional_packages("plots", "matplotlib"):
        import matplotlib  # noqa: F401


def draw_response(response: PredictOut, waveform: Waveform, title: str = "") -> "Figure":
    """A figure of four panels over one time axis; save it with `figure.savefig("plot.png")`.

    Args:
        response: With words (`explain` is not "false").
        waveform: The recording, from `alignment.audio.decode_audio`.
        title: Title of the figure.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    width = float(np.clip(waveform.duration_s * _INCHES_A_SECOND, *_WIDTH_IN))
    figure = Figure((width, 7.5), layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(2, 2, 2, 1))
    figure.suptitle(title or summarise(response))
    words = [(utterance, word) for utterance in response.utterances for word in utterance.words]
    _draw_waveform(panels[0], response, waveform, width)
    _draw_pairs(panels[1], words, [word.contribution_to(utterance.emotion) for utterance, word in words])
    panels[1].set_ylabel("contribution to the\npredicted emotion")
    panels[1].axhline(0, color="0.6", linewidth=0.8)
    _draw_pairs(panels[2], words, [(word.text_attention, word.audio_attention) for _, word in words])
    panels[2].set_ylabel("attention")
    panels[2].legend(loc="upper right", frameon=False, ncols=2)
    if len(words) < _READABLE_WORDS_A_SECOND * width:
        _write_words(panels[1], words)
    _draw_emotions(panels[3], response)
    panels[3].set(xlabel="seconds", xlim=(0, waveform.duration_s))
    return figure


def summarise(estimate: PredictOut | UtteranceOut) -> str:
    """Emotion and confidence, with a question mark where the emotion is uncertain: "angry? 0.41"."""
    return f"{estimate.emotion}{'?' if estimate.uncertain else ''} {estimate.confidence:.2f}"


def _draw_waveform(axes: "Axes", response: PredictOut, waveform: Waveform, width_in: float) -> None:
    """Envelope of the waveform, coloured by utterance."""
    points = min(len(waveform.samples), round(width_in * _POINTS_PER_INCH))
    starts = np.linspace(0, len(waveform.samples), points, endpoint=False).astype(np.int64)
    high, low = (extreme.reduceat(waveform.samples, starts) for extreme in (np.maximum, np.minimum))
    time_s = starts / len(waveform.samples) * waveform.duration_s
    axes.fill_between(time_s, low, high, color=QUIET, linewidth=0)
    colours = colour_labels(response.probabilities)
    for utterance in response.utterances:
        inside = (time_s >= utterance.start_s) & (time_s < utterance.end_s)
        axes.fill_between(time_s, low, high, where=inside.tolist(), color=colours[utterance.emotion], linewidth=0)
        axes.annotate(
            summarise(utterance), (utterance.start_s, 1), xycoords=("data", "axes fraction"), va="bottom", fontsize=8
        )
    axes.set_ylabel("sound")
    axes.set_yticks([])


def _draw_pairs(axes: "Axes", words: list[tuple[UtteranceOut, WordOut]], values: list[tuple[float, float]]) -> None:
    """Two bars for each word, over its time span."""
    starts = np.array([word.start_s for _, word in words])
    widths = np.array([word.end_s - word.start_s for _, word in words])
    text, sound = np.array(values).T
    kinds: tuple[tuple[Any, str, str, float], ...] = ((text, TEXT, "text", 0.06), (sound, SOUND, "sound", 0.5))
    for heights, colour, label, offset in kinds:
        axes.bar(starts + offset * widths, heights, 0.44 * widths, align="edge", color=colour, label=label)


def _write_words(axes: "Axes", words: list[tuple[UtteranceOut, WordOut]]) -> None:
    for _, word in words:
        middle_s = (word.start_s + word.end_s) / 2
        axes.annotate(
            word.word or "·", (middle_s, 1), xycoords=("data", "axes fraction"), rotation=45, fontsize=8, va="bottom"
        )


def _draw_emotions(axes: "Axes", response: PredictOut) -> None:
    """Stacked probabilities of each utterance."""
    starts = [utterance.start_s for utterance in response.utterances]
    widths = [utterance.end_s - utterance.start_s for utterance in response.utterances]
    bottom = np.zeros(len(starts))
    for label, colour in colour_labels(response.probabilities).items():
        heights = np.array([utterance.probabilities[label] for utterance in response.utterances])
        axes.bar(starts, heights, widths, bottom, align="edge", color=colour, label=label)
        bottom += heights
    axes.set(ylim=(0, 1), ylabel="emotion")
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0, -0.35),
        ncols=min(8, len(response.probabilities)),
        frameon=False,
        fontsize=8,
    )
