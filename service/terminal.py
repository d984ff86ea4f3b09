"""An answer for people: a bar per class, the words with their attention and what they contributed."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from service.schemas import PredictOut, Share, UtteranceOut, WordOut

_BAR_WIDTH = 24


def render(name: str, answer: PredictOut) -> RenderableType:
    """Everything about one file."""
    parts: list[RenderableType] = [
        Text.from_markup(
            f"[bold]{escape(name)}[/]  {answer.audio.duration_s:.2f} s  →  [bold green]{answer.emotion}[/]"
        )
    ]
    for utterance in answer.utterances:
        parts.append(Text(f"\n{utterance.start_s:.2f} to {utterance.end_s:.2f} s  {utterance.text or '(no word)'}"))
        parts.append(_classes(utterance))
        if utterance.words:
            parts.append(_words(utterance.words))
    aligner = f"{answer.aligner.name} ({answer.aligner.model}; {answer.aligner.reason})"
    weights = f"{answer.model.name} {answer.model.version}, trained on {answer.model.trained_on}"
    parts.append(
        Text(f"\nwords by {aligner}\nscores by {weights}, {answer.model.licence}, {answer.model.provider}", "dim")
    )
    parts += [Text(f"note: {warning}", "yellow") for warning in answer.warnings]
    return Group(*parts)


def _classes(utterance: UtteranceOut) -> Table:
    table = Table(box=None, padding=(0, 1))
    for heading in ("emotion", "", "both"):
        table.add_column(heading, justify="right" if heading == "both" else "left")
    for heading in ("text alone", "sound alone") if utterance.text_probabilities else ():
        table.add_column(heading, justify="right", style="dim")
    for emotion, probability in sorted(utterance.probabilities.items(), key=lambda item: -item[1]):
        row = [emotion, _bar(probability), f"{probability:.2f}"]
        if utterance.text_probabilities:
            row += [f"{utterance.text_probabilities[emotion]:.2f}", f"{utterance.audio_probabilities[emotion]:.2f}"]
        table.add_row(*row, style="bold" if emotion == utterance.emotion else None)
    return table


def _words(words: list[WordOut]) -> Table:
    table = Table(
        box=None, padding=(0, 1), title="where it looked, and what each word's text and sound gave to the answer"
    )
    table.title_justify, table.title_style = "left", "dim"
    for heading in ("word", "from", "to"):
        table.add_column(heading)
    for heading in ("text attention", "sound attention", "text gave", "sound gave"):
        table.add_column(heading, justify="right")
    for word in words:
        share = word.contribution
        gave = (f"{share.text:+.2f}", f"{share.audio:+.2f}") if isinstance(share, Share) else ("", "")
        attention = f"{word.text_attention:.2f}", f"{word.audio_attention:.2f}"
        table.add_row(_mark(word), f"{word.start_s:.2f}", f"{word.end_s:.2f}", *attention, *gave)
    return table


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


def _bar(probability: float) -> str:
    filled = round(probability * _BAR_WIDTH)
    return "█" * filled + "░" * (_BAR_WIDTH - filled)
