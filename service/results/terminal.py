"""An answer for people: a bar per class, the words with their attention and what they contributed."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from service.results.schemas import PredictOut, UtteranceOut, WordOut
from service.results.tables import contribution_of

_BAR_WIDTH, _BRIEF_WIDTH, _SHARE_WIDTH = 24, 10, 10
_COLOURS = {
    "angry": "red",
    "happy": "yellow",
    "excited": "dark_orange",
    "sad": "blue",
    "frustrated": "orange4",
    "surprised": "magenta",
    "afraid": "slate_blue1",
    "disgusted": "green4",
}


def render(name: str, answer: PredictOut) -> RenderableType:
    """Everything about one file."""
    heading = f"[bold]{escape(name)}[/]  {answer.audio.duration_s:.2f} s  →  "
    verdict = f"[bold {_colour(answer.emotion)}]{answer.emotion}[/] {answer.probabilities[answer.emotion]:.2f}"
    parts: list[RenderableType] = [Text.from_markup(heading + verdict)]
    for utterance in answer.utterances:
        speaker = f"  {utterance.speaker}:" if utterance.speaker else ""
        times = f"{utterance.start_s:.2f} to {utterance.end_s:.2f} s"
        parts.append(Text(f"\n{times}{speaker}  {utterance.text or '(no word)'}"))
        parts.append(_classes(utterance))
        if utterance.words:
            parts.append(_words(utterance))
    aligner = f"{answer.aligner.name} ({answer.aligner.model}; {answer.aligner.reason})"
    weights = f"{answer.model.name} {answer.model.version}, trained on {answer.model.trained_on}"
    parts.append(
        Text(f"\nwords by {aligner}\nscores by {weights}, {answer.model.licence}, {answer.model.provider}", "dim")
    )
    parts += [Text(f"note: {warning}", "yellow") for warning in answer.warnings]
    return Group(*parts)


def render_brief(name: str, answer: PredictOut) -> RenderableType:
    """One line about one file: emotion, probability, length, name."""
    probability = answer.probabilities[answer.emotion]
    text = Text(f"{answer.emotion:<11}", f"bold {_colour(answer.emotion)}")
    text.append_text(_bar(probability, answer.emotion, _BRIEF_WIDTH))
    return text.append(f" {probability:.2f} {answer.audio.duration_s:8.2f} s  {name}", "not bold default")


def _classes(utterance: UtteranceOut) -> Table:
    table = Table(box=None, padding=(0, 1))
    for heading in ("emotion", "", "both"):
        table.add_column(heading, justify="right" if heading == "both" else "left")
    for heading in ("text alone", "sound alone") if utterance.text_probabilities else ():
        table.add_column(heading, justify="right", style="dim")
    for emotion, probability in sorted(utterance.probabilities.items(), key=lambda item: -item[1]):
        row: list[RenderableType] = [emotion, _bar(probability, emotion), f"{probability:.2f}"]
        if utterance.text_probabilities:
            row += [f"{utterance.text_probabilities[emotion]:.2f}", f"{utterance.audio_probabilities[emotion]:.2f}"]
        table.add_row(*row, style="bold" if emotion == utterance.emotion else None)
    return table


def _words(utterance: UtteranceOut) -> Table:
    table = Table(box=None, padding=(0, 1), title=f"where it looked, and what each word gave to “{utterance.emotion}”")
    table.title_justify, table.title_style = "left", "dim"
    for heading in ("word", "from", "to"):
        table.add_column(heading, no_wrap=True)
    for heading in ("text attention", "sound attention"):
        table.add_column(heading, justify="right")
    for heading in ("text gave", "sound gave"):
        table.add_column(heading, min_width=_SHARE_WIDTH + 6)
    shares = [contribution_of(word, utterance.emotion) for word in utterance.words]
    largest = max(abs(share) for pair in shares for share in pair)
    for word, pair in zip(utterance.words, shares, strict=True):
        attention = f"{word.text_attention:.2f}", f"{word.audio_attention:.2f}"
        gave = [_share(share, largest) for share in pair]
        table.add_row(_mark(word), f"{word.start_s:.2f}", f"{word.end_s:.2f}", *attention, *gave)
    return table


def _share(share: float, largest: float) -> Text:
    """A number and a bar: green speaks for the emotion, red against it."""
    length = round(abs(share) / largest * _SHARE_WIDTH) if largest else 0
    text = Text(f"{share:+.2f} ")
    return text.append("█" * length, "green" if share > 0 else "red")


def _mark(word: WordOut) -> Text:
    """The word; one that the network does not know, or whose times were made up, says so."""
    notes = []
    if not word.known:
        notes.append("unknown")
    if word.timing == "interpolated":
        notes.append("interpolated")
    text = Text(word.word or "(no word)")
    if notes:
        text.append(f" [{', '.join(notes)}]", "yellow")
    return text


def _bar(probability: float, emotion: str, width: int = _BAR_WIDTH) -> Text:
    filled = round(probability * width)
    return Text("█" * filled, _colour(emotion)).append("░" * (width - filled), "dim")


def _colour(emotion: str) -> str:
    return _COLOURS.get(emotion, "white")
