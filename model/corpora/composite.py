"""An open corpus in IEMOCAP's format, composed of acted speech and labelled text.

    python -m model.corpora.composite --ravdess DIR --goemotions DIR --out DIR

IEMOCAP cannot be redistributed, and no open corpus has emotion in both audio and words. RAVDESS speech is therefore
force-aligned, cut at its words and recombined (same actor, same emotion) as the audio of GoEmotions comments: word i of
the text is paired with word i of the audio. Either both carry the label, or one of them is neutral, as in natural
speech.

A session has two actors, and every take and every text belongs to one session only, so that folds by session test on
unseen actors and texts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import soundfile
import typer
from numpy.typing import NDArray
from rich.progress import track

from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.errors import AlignerError, AlignmentError
from alignment.timing import FRAME_SAMPLES, SAMPLE_RATE_HZ, frames_to_seconds, samples_to_seconds
from alignment.transcripts.wdseg import write_wdseg
from alignment.transcripts.words import TimedWord
from model.corpora.goemotions import LabelledText, read_goemotions
from model.corpora.pairing import PAIRS, Pairing, pair_actors, pair_texts, split_among
from model.corpora.ravdess import Take, read_ravdess
from model.corpora.splicing import CutTake, assemble, cut_take, join
from model.errors import ModelError

_HEADER: Final = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
_DIALOG_UTTERANCES: Final = 50


class SessionWriter:
    """Writes the sentences of one session in IEMOCAP's format."""

    def __init__(self, root: Path, number: int) -> None:
        """Create session `number` in `root`."""
        self._folder = root / f"Session{number}"
        self._number = number
        self._dialog = 0
        self._clock_s = 0.0
        self._lines: list[str] = []

    def add(self, parts: Sequence[NDArray[np.float32]], pairing: Pairing, gender: str) -> str:
        """Write one sentence: its wav, its `.wdseg` and its evaluation.

        Returns:
            Name of the sentence.
        """
        if not self._lines:
            self._dialog += 1
        dialog = f"Ses{self._number:02d}F_impro{self._dialog:02d}"
        name = f"{dialog}_{gender}{len(self._lines):03d}"
        samples = join(parts)
        duration_s = samples_to_seconds(len(samples))
        soundfile.write(
            self._path("sentences", "wav", dialog, f"{name}.wav"), samples, SAMPLE_RATE_HZ, subtype="PCM_16"
        )
        words = _timed(parts, pairing.text)
        write_wdseg(self._path("sentences", "ForcedAlignment", dialog, f"{name}.wdseg"), words, duration_s)
        times = f"[{self._clock_s:.4f} - {self._clock_s + duration_s:.4f}]"
        self._lines.append(f"{times}\t{name}\t{pairing.label}\t[2.5000, 2.5000, 2.5000]\n")
        self._clock_s += duration_s
        if len(self._lines) == _DIALOG_UTTERANCES:
            self.finish_dialog()
        return name

    def finish_dialog(self) -> None:
        """Write the evaluation file of the current dialogue and start a new one."""
        if self._lines:
            path = self._path("dialog", "EmoEvaluation", f"Ses{self._number:02d}F_impro{self._dialog:02d}.txt")
            path.write_text(f"{_HEADER}\n\n" + "\n".join(self._lines), encoding="utf-8")
        self._lines, self._clock_s = [], 0.0

    def _path(self, *parts: str) -> Path:
        path = self._folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _timed(parts: Sequence[NDArray[np.float32]], text: LabelledText) -> list[TimedWord]:
    edges = np.cumsum([len(part) // FRAME_SAMPLES for part in parts])
    return [
        TimedWord(word, frames_to_seconds(int(first)), frames_to_seconds(int(last)), "aligned")
        for word, first, last in zip(text.words, edges, edges[1:], strict=False)
    ]


def write_composite(
    cut: Sequence[CutTake], texts: Sequence[LabelledText], out: Path, *, per_label: int, neutral_share: float, seed: int
) -> int:
    """Write the corpus, and `pairs.tsv` with the modality that carries the label of each sentence.

    Args:
        cut: Cut takes of at least two actors.
        texts: Texts of all labels.
        out: Folder for Session1, Session2, ….
        per_label: Sentences per label and session.
        neutral_share: See `pair_texts`.
        seed: Random seed.

    Returns:
        Number of sentences.
    """
    sessions = pair_actors(piece.take for piece in cut)
    rng = np.random.default_rng(seed)
    shares = split_among(texts, len(sessions), rng)
    rows = ["name\tkind\ttext_label\tsound_label\tactor\n"]
    for number, (pair, share) in enumerate(track(list(zip(sessions, shares, strict=True)), "writing"), start=1):
        pairings = list(pair_texts(share, per_label, neutral_share, rng))
        voices = _by_actor_and_label(piece for piece in cut if piece.take.actor in pair)
        rows += _write_session(SessionWriter(out, number), pairings, voices, rng)
    (out / PAIRS).write_text("".join(rows), encoding="utf-8")
    return len(rows) - 1


def _by_actor_and_label(cut: Iterable[CutTake]) -> dict[tuple[int, str], list[CutTake]]:
    voices: dict[tuple[int, str], list[CutTake]] = defaultdict(list)
    for piece in cut:
        voices[piece.take.actor, piece.take.label].append(piece)
    return voices


def _write_session(
    writer: SessionWriter,
    pairings: Sequence[Pairing],
    voices: Mapping[tuple[int, str], Sequence[CutTake]],
    rng: np.random.Generator,
) -> Iterator[str]:
    """Write all sentences of a session; yield the row of each for `pairs.tsv`."""
    for index in rng.permutation(len(pairings)):
        pairing = pairings[index]
        choices = [takes for (_, label), takes in sorted(voices.items()) if label == pairing.sound_label]
        takes = choices[int(rng.integers(len(choices)))]
        name = writer.add(assemble(takes, len(pairing.text.words), rng), pairing, takes[0].take.gender)
        yield f"{name}\t{pairing.kind}\t{pairing.text.label}\t{pairing.sound_label}\t{takes[0].take.actor}\n"
    writer.finish_dialog()


def cut_all(takes: Sequence[Take], workers: int) -> list[CutTake]:
    """Cut takes at their words; takes that cannot be aligned word by word are printed and skipped."""
    aligner = PocketSphinxAligner(workers)
    try:
        with ThreadPoolExecutor(workers) as pool:
            results = list(track(pool.map(lambda take: _try_to_cut(take, aligner), takes), "aligning", len(takes)))
    finally:
        aligner.close()
    skipped = [take.path.name for take, pieces in zip(takes, results, strict=True) if pieces is None]
    cut = [pieces for pieces in results if pieces is not None]
    typer.echo(f"{len(cut)} takes aligned word by word, {len(skipped)} skipped: {', '.join(skipped) or 'none'}")
    return cut


def _try_to_cut(take: Take, aligner: PocketSphinxAligner) -> CutTake | None:
    try:
        return cut_take(take, aligner)
    except AlignerError:
        raise
    except AlignmentError:
        return None


def main(
    ravdess: Annotated[Path, typer.Option(help="Folder with Actor_01, Actor_02, …")],
    goemotions: Annotated[Path, typer.Option(help="Folder with labels.txt, train.tsv, dev.tsv, test.tsv")],
    out: Annotated[Path, typer.Option(help="Folder for Session1, Session2, …; must not contain any")],
    per_label: Annotated[int, typer.Option(min=1, help="Sentences per label and session")] = 240,
    neutral_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sentences with one neutral modality")
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes for alignment")] = 2,
) -> None:
    """Write an open corpus in IEMOCAP's format."""
    if any(out.glob("Session*")):
        raise typer.BadParameter(f"{out} already contains Session folders; choose an empty folder", param_hint="--out")
    try:
        texts = read_goemotions(goemotions)
        cut = cut_all(read_ravdess(ravdess), workers)
        written = write_composite(cut, texts, out, per_label=per_label, neutral_share=neutral_share, seed=seed)
    except (ModelError, AlignmentError) as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    typer.echo(f"{written} sentences written to {out}")


if __name__ == "__main__":
    typer.run(main)
