"""An open corpus in IEMOCAP's format: acted sound, labelled text, word on word.

    python -m model.corpora.composite --ravdess DIR --goemotions DIR --out DIR

IEMOCAP cannot be shipped, and no open corpus has emotion in sound and words alike. So RAVDESS speech is force-aligned,
cut at its words and joined anew (same actor, same emotion) to carry GoEmotions comments: word i of the text sits on
word i of the sound. Either both carry the label, or one of them is neutral, because in life either may carry it.

Sessions of two actors each, and every take and every text belongs to one session only, so that folds by session test
on actors and texts never seen.
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
    """Writes sentences of one session as IEMOCAP would have them."""

    def __init__(self, root: Path, number: int) -> None:
        """Starts session `number` below `root`."""
        self._folder = root / f"Session{number}"
        self._number = number
        self._dialog = 0
        self._clock_s = 0.0
        self._lines: list[str] = []

    def add(self, parts: Sequence[NDArray[np.float32]], pairing: Pairing, gender: str) -> str:
        """Writes one sentence: its wav, its `.wdseg` and its line of evaluation.

        Returns:
            The sentence's name.
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
        """Writes the evaluation file of the sentences since the last one."""
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
    """Writes the corpus, and beside it `pairs.tsv`, which says of each sentence what carries its label.

    Args:
        cut: takes in pieces, of two actors or more.
        texts: of all labels.
        out: folder for Session1, Session2, ….
        per_label: sentences of each label and session.
        neutral_share: see `pair_texts`.
        seed: of everything random.

    Returns:
        How many sentences were written.
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
    """Writes all sentences of a session, and yields the row of each for `pairs.tsv`."""
    for index in rng.permutation(len(pairings)):
        pairing = pairings[index]
        choices = [takes for (_, label), takes in sorted(voices.items()) if label == pairing.sound_label]
        takes = choices[int(rng.integers(len(choices)))]
        name = writer.add(assemble(takes, len(pairing.text.words), rng), pairing, takes[0].take.gender)
        yield f"{name}\t{pairing.kind}\t{pairing.text.label}\t{pairing.sound_label}\t{takes[0].take.actor}\n"
    writer.finish_dialog()


def cut_all(takes: Sequence[Take], workers: int) -> list[CutTake]:
    """Takes in pieces; those that cannot be aligned word by word are named and left out."""
    aligner = PocketSphinxAligner(workers)
    try:
        with ThreadPoolExecutor(workers) as pool:
            results = list(track(pool.map(lambda take: _try_to_cut(take, aligner), takes), "aligning", len(takes)))
    finally:
        aligner.close()
    skipped = [take.path.name for take, pieces in zip(takes, results, strict=True) if pieces is None]
    cut = [pieces for pieces in results if pieces is not None]
    typer.echo(f"{len(cut)} takes aligned word by word, {len(skipped)} left out: {', '.join(skipped) or 'none'}")
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
    out: Annotated[Path, typer.Option(help="Folder to write Session1, Session2, … to; must not hold any")],
    per_label: Annotated[int, typer.Option(min=1, help="Sentences per label and session")] = 240,
    neutral_share: Annotated[float, typer.Option(min=0, max=1, help="Attribution of them with one neutral side")] = 0.5,
    seed: Annotated[int, typer.Option(help="Same seed, same corpus")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that align")] = 2,
) -> None:
    """Writes an open corpus in IEMOCAP's format."""
    if any(out.glob("Session*")):
        raise typer.BadParameter(f"{out} holds Session folders already; choose an empty folder", param_hint="--out")
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
