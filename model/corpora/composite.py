"""An open corpus in IEMOCAP's format, composed of acted speech and labelled text.

    python -m model.corpora.composite --ravdess DIR --goemotions DIR --nemo DIR --out DIR

IEMOCAP cannot be redistributed, and no open corpus has emotion in both audio and words. The corpus has three parts:

- composite sentences: RAVDESS speech is force-aligned, cut at its words and recombined (same actor, same emotion) as
  the audio of GoEmotions comments: word i of the text is paired with word i of the audio. Either both carry the label,
  or one of them is neutral, as in natural speech;
- clips of RAVDESS as published, with their words, so that whole sentences occur too;
- clips of nEMO, in Polish, in equal parts with unknown words: more voices for the audio side.

A share of the recordings is distorted (room, noise, telephone, codec, speed). A session has two actors and at most one
speaker of nEMO, and every take and every text belongs to one session only, so that folds by session test on unseen
speakers and texts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.progress import track

from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.errors import AlignerError, AlignmentError
from alignment.speech.voice_activity import VoiceActivityDetector
from model.corpora.goemotions import LabelledText, read_goemotions
from model.corpora.nemo import ForeignTake, read_nemo
from model.corpora.pairing import (
    CLIP,
    COMPOSITE,
    FOREIGN,
    Sentence,
    pair_actors,
    pair_texts,
    split_among,
    write_sentences,
)
from model.corpora.ravdess import Take, read_ravdess
from model.corpora.sessions import SessionWriter
from model.corpora.splicing import CutTake, assemble, cut_equally, cut_take
from model.errors import ModelError

UNKNOWN_WORD = "*"
"""Word of a clip in another language: punctuation, which is no word after normalisation."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Amounts of the corpus.

    Attributes:
        per_label: Composite sentences per label and session.
        neutral_share: See `pair_texts`.
        changed_share: Share of the composite sentences whose recording is distorted.
        clip_versions: Versions of each published clip: the first as it is, further ones distorted; 0 for none.
        foreign_versions: The same for clips in another language.
        seed: Random seed.
    """

    per_label: int = 150
    neutral_share: float = 0.5
    changed_share: float = 0.5
    clip_versions: int = 4
    foreign_versions: int = 2
    seed: int = 0


_DEFAULT = Composition()


@dataclass(frozen=True, slots=True, eq=False)
class _Session:
    """Input of one session."""

    number: int
    takes: Sequence[CutTake[Take]]
    foreign: Sequence[CutTake[ForeignTake]]
    texts: Mapping[str, list[LabelledText]]
    out: Path
    amounts: Composition


def write_composite(
    cut: Sequence[CutTake[Take]],
    texts: Sequence[LabelledText],
    out: Path,
    amounts: Composition,
    foreign: Sequence[CutTake[ForeignTake]] = (),
    processes: int = 1,
) -> int:
    """Write the corpus, and `pairs.tsv` with the origin of each sentence.

    Args:
        cut: Cut takes of at least two actors.
        texts: Texts of all labels.
        out: Folder for Session1, Session2, ….
        amounts: Amounts of the parts.
        foreign: Cut takes in another language.
        processes: Processes, one session each at a time.

    Returns:
        Number of sentences.
    """
    pairs = pair_actors(piece.take for piece in cut)
    shares = split_among(texts, len(pairs), np.random.default_rng(amounts.seed))
    speakers = sorted({piece.take.speaker for piece in foreign})
    sessions = [
        _Session(
            index + 1,
            [piece for piece in cut if piece.take.actor in pair],
            [piece for piece in foreign if speakers.index(piece.take.speaker) % len(pairs) == index],
            share,
            out,
            amounts,
        )
        for index, (pair, share) in enumerate(zip(pairs, shares, strict=True))
    ]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        rows = list(track(pool.map(_write_session, sessions), "writing", len(sessions)))
    sentences = [sentence for row in rows for sentence in row]
    write_sentences(out, sentences)
    return len(sentences)


def _write_session(session: _Session) -> list[Sentence]:
    """Write all sentences of a session."""
    rng = np.random.default_rng((session.amounts.seed, session.number))
    writer = SessionWriter(session.out, session.number, rng)
    sentences = [
        *_write_composites(writer, session, rng),
        *_write_clips(writer, session.takes, CLIP, session.amounts.clip_versions),
        *_write_clips(writer, session.foreign, FOREIGN, session.amounts.foreign_versions),
    ]
    writer.finish_dialog()
    return sentences


def _write_composites(writer: SessionWriter, session: _Session, rng: np.random.Generator) -> Iterator[Sentence]:
    amounts, voices = session.amounts, _by_actor_and_label(take for take in session.takes if take.aligned)
    pairings = list(pair_texts(dict(session.texts), amounts.per_label, amounts.neutral_share, rng))
    for index in rng.permutation(len(pairings)):
        pairing = pairings[index]
        choices = [takes for (_, label), takes in sorted(voices.items()) if label == pairing.sound_label]
        takes = choices[int(rng.integers(len(choices)))]
        parts = assemble(takes, len(pairing.text.words), rng)
        changed = bool(rng.random() < amounts.changed_share)
        take = takes[0].take
        name = writer.add(parts, pairing.text.words, pairing.label, take.gender, changed=changed)
        origin = pairing.kind, pairing.text.label, pairing.sound_label
        yield Sentence(name, *origin, take.speaker, COMPOSITE, _change(changed))


def _write_clips(
    writer: SessionWriter, takes: Sequence[CutTake[Any]], source: str, versions: int
) -> Iterator[Sentence]:
    """Write whole clips: the first version as it is, the others distorted."""
    for piece in takes:
        take = piece.take
        parts: list[NDArray[np.float32]] = [piece.before, *(part.samples for part in piece.pieces), piece.after]
        words = take.sentence.split() if isinstance(take, Take) else [UNKNOWN_WORD] * len(piece.pieces)
        for version in range(versions):
            name = writer.add(parts, words, take.label, take.gender, changed=version > 0)
            yield Sentence(name, "sound", "", take.label, take.speaker, source, _change(version > 0))


def _change(changed: bool) -> str:
    return "changed" if changed else "clean"


def _by_actor_and_label(cut: Iterable[CutTake[Take]]) -> dict[tuple[int, str], list[CutTake[Take]]]:
    voices: dict[tuple[int, str], list[CutTake[Take]]] = defaultdict(list)
    for piece in cut:
        voices[piece.take.actor, piece.take.label].append(piece)
    return voices


def cut_all(takes: Sequence[Take], workers: int) -> list[CutTake[Take]]:
    """Cut takes at their words; takes that cannot be aligned word by word are cut into equal parts, and printed."""
    aligner, detector = PocketSphinxAligner(workers), VoiceActivityDetector()
    try:
        with ThreadPoolExecutor(workers) as pool:
            results = list(track(pool.map(lambda take: _try_to_cut(take, aligner), takes), "aligning", len(takes)))
    finally:
        aligner.close()
    unaligned = [take for take, pieces in zip(takes, results, strict=True) if pieces is None]
    equal = [cut_equally(take, detector, len(take.sentence.split())) for take in unaligned]
    typer.echo(f"{len(takes) - len(unaligned)} takes aligned word by word, {len(unaligned)} cut into equal parts")
    return [cut for cut in (*results, *equal) if cut is not None]


def cut_foreign(takes: Sequence[ForeignTake], workers: int) -> list[CutTake[ForeignTake]]:
    """Cut takes into equal parts; those without speech are left out, and counted."""
    detector = VoiceActivityDetector()
    with ThreadPoolExecutor(workers) as pool:
        results = list(track(pool.map(lambda take: cut_equally(take, detector), takes), "cutting", len(takes)))
    cut = [pieces for pieces in results if pieces is not None]
    typer.echo(f"{len(cut)} clips in another language, {len(results) - len(cut)} without speech")
    return cut


def _try_to_cut(take: Take, aligner: PocketSphinxAligner) -> CutTake[Take] | None:
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
    nemo: Annotated[Path | None, typer.Option(help="Folder with data.tsv and clips of nEMO; omit it for none")] = None,
    per_label: Annotated[
        int, typer.Option(min=0, help="Composite sentences per label and session; 0 for clips alone")
    ] = _DEFAULT.per_label,
    neutral_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of sentences with one neutral modality")
    ] = _DEFAULT.neutral_share,
    changed_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of distorted composite sentences")
    ] = _DEFAULT.changed_share,
    clip_versions: Annotated[
        int, typer.Option(min=0, help="Versions of each clip, all but the first distorted")
    ] = _DEFAULT.clip_versions,
    foreign_versions: Annotated[
        int, typer.Option(min=0, help="Versions of each clip of nEMO")
    ] = _DEFAULT.foreign_versions,
    seed: Annotated[int, typer.Option(help="Random seed")] = _DEFAULT.seed,
    workers: Annotated[int, typer.Option(min=1, help="Processes")] = 2,
) -> None:
    """Write an open corpus in IEMOCAP's format."""
    if any(out.glob("Session*")):
        raise typer.BadParameter(f"{out} already contains Session folders; choose an empty folder", param_hint="--out")
    if per_label == clip_versions == 0 and nemo is None:
        raise typer.BadParameter("one of the two must be above 0", param_hint="--per-label, --clip-versions")
    amounts = Composition(per_label, neutral_share, changed_share, clip_versions, foreign_versions, seed)
    try:
        texts = read_goemotions(goemotions)
        cut = cut_all(read_ravdess(ravdess), workers)
        foreign = cut_foreign(read_nemo(nemo), workers) if nemo else []
        written = write_composite(cut, texts, out, amounts, foreign, workers)
    except (ModelError, AlignmentError) as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    typer.echo(f"{written} sentences written to {out}")


if __name__ == "__main__":
    typer.run(main)
