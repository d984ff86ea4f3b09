"""A response on a terminal: a bar per class, and the words with their attention and contributions."""

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from can_ser_client.schemas import OtherOut, PredictOut, UtteranceOut, WordOut

_BAR_WIDTH, _BRIEF_WIDTH, _CONTRIBUTION_WIDTH = 24, 10, 10
_COLOURS = {
    "angry": "red",
    "happy": "yellow",
    "excited": "dark_orange",
    "sad": "blue",
    "frustrated": "orange4",
    "surprised": "magenta",
    "fearful": "slate_blue1",
    "disgusted": "green4",
}


def render(name: str, response: PredictOut) -> RenderableType:
    """The whole response for one file."""
    heading = f"[bold]{escape(name)}[/]  {response.audio.duration_s:.2f} s  →  "
    result = f"[bold {_colour(response.emotion)}]{escape(response.emotion)}[/] {response.confidence:.2f}"
    parts: list[RenderableType] = [Text.from_markup(heading + result), *_doubts(response)]
    for utterance in response.utterances:
        speaker = f"  {utterance.speaker}:" if utterance.speaker else ""
        times = f"{utterance.start_s:.2f} to {utterance.end_s:.2f} s"
        parts.append(Text(f"\n{times}{speaker}  {utterance.text or '(no word)'}"))
        parts += _doubts(utterance) if len(response.utterances) > 1 else []
        parts.append(_classes(utterance))
        if utterance.words:
            parts.append(_words(utterance))
    aligner = f"{response.aligner.name} ({response.aligner.model}; {response.aligner.reason})"
    weights = f"{response.model.name} {response.model.version}, trained on {response.model.trained_on}"
    parts.append(
        Text(f"\nwords: {aligner}\nscores: {weights}, {response.model.licence}, {response.model.provider}", "dim")
    )
    parts += [Text(f"note: {warning}", "yellow") for warning in response.warnings]
    parts += [_other(each) for each in response.others]
    return Group(*parts)


def _other(other: OtherOut) -> Text:
    """One line for a further bundle."""
    text = Text(f"\n{other.model.name} {other.model.version}  →  ")
    text.append(f"{other.emotion}", f"bold {_colour(other.emotion)}")
    return text.append(f" {other.confidence:.2f}" + ("  not sure" if other.uncertain else ""))


def render_brief(name: str, response: PredictOut) -> RenderableType:
    """One line for one file: emotion ("?" where it is uncertain), probability, duration, name, doubtful words."""
    emotion = response.emotion + ("?" if response.uncertain else "")
    text = Text(f"{emotion:<12}", f"bold {_colour(response.emotion)}")
    text.append_text(_bar(response.confidence, response.emotion, _BRIEF_WIDTH))
    text.append(f" {response.confidence:.2f} {response.audio.duration_s:8.2f} s  {name}", "not bold default")
    return text.append_text(_doubtful_words(response))


def _doubtful_words(response: PredictOut) -> Text:
    """How many words are doubtful; empty where none is."""
    doubtful, count = len(response.doubtful_words), len(response.words)
    return Text(f"  {doubtful} of {count} words doubtful" if doubtful else "", "not bold yellow")


def _doubts(estimate: PredictOut | UtteranceOut) -> list[Text]:
    """The line "not sure", with reasons where they are known; none where the emotion is certain."""
    if not estimate.uncertain:
        return []
    reasons = "; ".join(estimate.uncertain_reasons)
    return [Text(f"not sure: {reasons}" if reasons else "not sure", "yellow")]


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
    effects = [word.effect for word in utterance.words if word.effect]
    measures = "attention, contributions to and effects on" if effects else "attention and contributions to"
    table = Table(box=None, padding=(0, 1), title=f"{measures} “{utterance.emotion}”")
    table.title_justify, table.title_style = "left", "dim"
    for heading in ("word", "from", "to"):
        table.add_column(heading, no_wrap=True)
    for heading in ("text attention", "sound attention"):
        table.add_column(heading, justify="right")
    for heading in ("text contribution", "sound contribution"):
        table.add_column(heading, min_width=_CONTRIBUTION_WIDTH + 6)
    for heading in ("text effect", "sound effect") if effects else ():
        table.add_column(heading, justify="right")
    pairs = [word.contribution_to(utterance.emotion) for word in utterance.words]
    largest = max(abs(value) for pair in pairs for value in pair)
    for word, pair in zip(utterance.words, pairs, strict=True):
        attention = f"{word.text_attention:.2f}", f"{word.audio_attention:.2f}"
        contributions = [_contribution(value, largest) for value in pair]
        changes = (f"{word.effect.text:+.2f}", f"{word.effect.audio:+.2f}") if word.effect else ()
        table.add_row(_mark(word), f"{word.start_s:.2f}", f"{word.end_s:.2f}", *attention, *contributions, *changes)
    return table


def _contribution(value: float, largest: float) -> Text:
    """A number and a bar: green supports the emotion, red opposes it."""
    length = round(abs(value) / largest * _CONTRIBUTION_WIDTH) if largest else 0
    text = Text(f"{value:+.2f} ")
    return text.append("█" * length, "green" if value > 0 else "red")


def _mark(word: WordOut) -> Text:
    """The word, marked where it is doubtful, unknown to the network, or its times are interpolated."""
    notes = []
    if word.doubtful:
        notes.append("doubtful")
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
