"""Doubtful words: how many wrong words are marked, and how many right ones.

    python -m benchmarks.doubt --ravdess RAVDESS --speech FOLDER_WITH_JFK --every 4

Every clip is aligned with its own transcript, with a sentence that is not said, and with one word of its own transcript
replaced; then its words are recognised. --noise-db adds white noise.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from alignment.aligners.protocol import Aligner
from alignment.aligners.weights.config import WhisperXConfig
from alignment.audio import Waveform, decode_audio
from alignment.errors import NoSpeechError
from alignment.transcripts.normalisation import spoken_words
from alignment.transcripts.words import TimedWord, Transcript
from benchmarks.recognise import Clip, open_aligners, ravdess_clips, speech_clips, synthetic_clips

_UNRELATED: Final = (
    "we met them near the river yesterday",
    "a green apple fell from that tree",
    "please send me your number before noon",
    "nobody knew why she left so early",
    "my brother plays guitar every sunday morning",
)
_REPLACEMENTS: Final = ("running", "mountain", "seven", "yellow", "because")
_WARNED_SHARE: Final = 0.2
console = Console(width=120)


@dataclass(slots=True)
class Marks:
    """Doubtful words of the clips of one kind of text.

    Attributes:
        right: Whether each word that is said is marked.
        wrong: Whether each word that is not said is marked.
        shares: Share of the marked words of each clip.
    """

    right: list[bool] = field(default_factory=list)
    wrong: list[bool] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def add(self, words: Sequence[TimedWord], said: Sequence[bool]) -> None:
        """Add a clip."""
        for word, is_said in zip(words, said, strict=True):
            (self.right if is_said else self.wrong).append(word.doubtful)
        self.shares.append(float(np.mean([word.doubtful for word in words])))

    def row(self) -> list[str]:
        """Cells: marked shares of right and wrong words, their numbers, clips with a warning."""
        cells = [f"{np.mean(marks):.3f} of {len(marks)}" if marks else "" for marks in (self.right, self.wrong)]
        return [*cells, f"{np.mean(np.array(self.shares) > _WARNED_SHARE):.3f} of {len(self.shares)}"]


def given_texts(clip: Clip, index: int) -> Iterator[tuple[str, list[str], list[bool]]]:
    """Kind of text, its words, and whether each is said."""
    words = list(clip.words)
    yield "own transcript", words, [True] * len(words)
    unrelated = _UNRELATED[index % len(_UNRELATED)].split() * max(1, len(words) // 7)
    yield "unrelated transcript", unrelated, [False] * len(unrelated)
    at = index % len(words)
    said = [position != at for position in range(len(words))]
    replaced = [*words[:at], _REPLACEMENTS[index % len(_REPLACEMENTS)], *words[at + 1 :]]
    yield "one word replaced", replaced, said


def recognised_words(transcript: Transcript, clip: Clip) -> tuple[list[TimedWord], list[bool]]:
    """Recognised words, and whether each is said at its place in the clip's transcript."""
    words = [word for each in transcript.utterances for word in each.words if word.word]
    spoken = [(key, index) for index, word in enumerate(words) for key in spoken_words(word.word)]
    matcher = SequenceMatcher(None, list(clip.words), [key for key, _ in spoken], autojunk=False)
    matched = {at for _, first, size in matcher.get_matching_blocks() for at in range(first, first + size)}
    wrong = {index for at, (_, index) in enumerate(spoken) if at not in matched}
    return words, [index not in wrong for index in range(len(words))]


def measure(aligner: Aligner, clip: Clip, waveform: Waveform, index: int, marks: dict[str, Marks]) -> None:
    """Align and recognise a clip, and add its words to the marks of each kind of text."""
    for kind, text, said in given_texts(clip, index):
        transcript = aligner.align(waveform, " ".join(text))
        marks[kind].add([word for each in transcript.utterances for word in each.words], said)
    words, said = recognised_words(aligner.recognise(waveform), clip)
    if words:
        marks["recognised"].add(words, said)


def add_noise(waveform: Waveform, snr_db: float, rng: np.random.Generator) -> Waveform:
    """The sound with white noise."""
    power = float(np.mean(np.square(waveform.samples))) / 10 ** (snr_db / 10)
    noise = rng.normal(0.0, power**0.5, len(waveform.samples)).astype(np.float32)
    return replace(waveform, samples=waveform.samples + noise)


def main(
    ravdess: Annotated[Path | None, typer.Option(help="Folder with Actor_01, Actor_02, …")] = None,
    speech: Annotated[Path | None, typer.Option(help="Folder with jfk.flac.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th clip of RAVDESS.")] = 4,
    noise_db: Annotated[float | None, typer.Option(help="Add white noise at this signal-to-noise ratio.")] = None,
    model: Annotated[str, typer.Option(help="Whisper model: a folder or a name.")] = "small.en",
    weights: Annotated[str, typer.Option(help="Folder filled by can-ser fetch.")] = "",
) -> None:
    """Print a table of the marked words, per aligner and kind of text."""
    clips = synthetic_clips() + (speech_clips(speech) if speech else [])
    clips += ravdess_clips(ravdess)[::every] if ravdess else []
    table = Table("aligner", "words", "right words marked", "wrong words marked", "clips with a warning", box=None)
    for aligner in open_aligners(WhisperXConfig(model=model, weights=weights)):
        marks: dict[str, Marks] = defaultdict(Marks)
        rng = np.random.default_rng(0)
        for index, clip in enumerate(track(clips, aligner.info.name, console=console)):
            waveform = decode_audio(clip.path.read_bytes())
            try:
                measure(
                    aligner, clip, waveform if noise_db is None else add_noise(waveform, noise_db, rng), index, marks
                )
            except NoSpeechError:
                continue
        for kind, each in marks.items():
            table.add_row(aligner.info.name, kind, *each.row())
        aligner.close()
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
