import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from alignment.audio import decode_audio
from model.corpora.composite import Composition, main, write_composite
from model.corpora.goemotions import LabelledText
from model.corpora.iemocap import read_iemocap
from model.corpora.pairing import pair_texts, split_among
from model.corpora.ravdess import Take, read_ravdess
from model.corpora.splicing import CutTake, WordPiece, assemble, join
from model.errors import CorpusMissingError
from tests.builders import noise

SENTENCES = Composition(per_label=8, changed_share=0.0, clip_versions=0)
LABELS = ("ang", "hap", "neu", "sad", "sur")


def cut_take(actor: int, label: str, seed: int) -> CutTake[Take]:
    pieces = tuple(WordPiece(noise(0.1 + 0.05 * i, seed * 10 + i), i) for i in range(4))
    return CutTake(Take(Path(f"{seed}.wav"), actor, label, "a b c d"), noise(0.2, 1), pieces, noise(0.2, 2))


TAKES = [cut_take(actor, label, actor * 10 + i) for actor in (1, 2, 3, 4) for i, label in enumerate(LABELS)]
TEXTS = [LabelledText((label, "text", str(i)), label) for label in LABELS for i in range(12)]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    assert write_composite(TAKES, TEXTS, tmp_path, SENTENCES) == 80
    return tmp_path


def test_corpus_is_read_as_iemocap(corpus: Path) -> None:
    read = read_iemocap(corpus, strict=True)
    assert read.by_label == dict.fromkeys(LABELS, 16)
    assert len(read.utterances) == 80
    assert read.without_wdseg == read.without_wav == read.damaged == ()
    assert {u.speaker for u in read.utterances} == {"Ses01F", "Ses01M", "Ses02F", "Ses02M"}


def test_words_are_aligned_with_audio(corpus: Path) -> None:
    for utterance in read_iemocap(corpus).utterances[:10]:
        waveform = decode_audio(utterance.wav.read_bytes())
        assert len(utterance.words) == 3
        assert utterance.words[0].start_s == pytest.approx(0.2)
        assert utterance.words[-1].end_s == pytest.approx(waveform.duration_s - 0.2, abs=0.011)
        for before, after in zip(utterance.words, utterance.words[1:], strict=False):
            assert before.end_s == after.start_s


def test_every_text_belongs_to_one_session(corpus: Path) -> None:
    sessions: dict[str, set[int]] = {}
    for utterance in read_iemocap(corpus).utterances:
        sessions.setdefault(" ".join(w.word for w in utterance.words), set()).add(utterance.session)
    assert all(len(numbers) == 1 for numbers in sessions.values())


def test_pairs_file_states_modality_of_label(corpus: Path) -> None:
    with (corpus / "pairs.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    labels = {u.name: u.label for u in read_iemocap(corpus).utterances}
    assert Counter(row["kind"] for row in rows) == {"both": 48, "text": 16, "sound": 16}
    for row in rows:
        neutral = {"both": None, "text": row["sound_label"], "sound": row["text_label"]}[row["kind"]]
        assert neutral in (None, "neu")
        assert labels[row["name"]] in (row["text_label"], row["sound_label"])


def test_same_seed_gives_same_corpus(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("again")
    write_composite(TAKES, TEXTS, other, SENTENCES)
    for path in sorted(corpus.rglob("*.wav"))[:5]:
        assert path.read_bytes() == (other / path.relative_to(corpus)).read_bytes()


def test_clips_alone(tmp_path: Path) -> None:
    clips = Composition(per_label=0, clip_versions=1)
    assert write_composite(TAKES, TEXTS, tmp_path, clips) == len(TAKES)
    assert [" ".join(word.word for word in each.words) for each in read_iemocap(tmp_path).utterances] == (
        ["a b c d"] * len(TAKES)
    )


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    folders = ("--ravdess", str(tmp_path), "--goemotions", str(tmp_path), "--out", str(tmp_path))
    app = typer.Typer()
    app.command()(main)
    refused = CliRunner().invoke(app, [*folders, "--per-label", "0", "--clip-versions", "0"])
    printed = re.sub(r"[│\s]+", " ", refused.stderr)
    assert (refused.exit_code, "one of the two must be above 0" in printed) == (2, True)


def test_pieces_are_taken_in_runs() -> None:
    takes = [cut_take(1, "ang", seed) for seed in (1, 2)]
    parts = assemble(takes, 40, np.random.default_rng(0))
    assert len(parts) == 42
    lengths = [len(part) // 800 for part in parts[1:-1]]
    runs = sum(after == before + 1 for before, after in zip(lengths, lengths[1:], strict=False))
    assert runs > 15


def test_joints_are_faded_without_changing_length() -> None:
    parts = [np.ones(800, np.float32), np.ones(480, np.float32)]
    joined = join(parts)
    assert len(joined) == 1_280
    assert joined[799] == joined[800] == 0.0
    assert joined[400] == 1.0


def test_texts_are_distributed_by_label() -> None:
    shares = split_among(TEXTS, 3, np.random.default_rng(0))
    assert [{label: len(texts) for label, texts in share.items()} for share in shares] == [dict.fromkeys(LABELS, 4)] * 3
    everything = [text.words for share in shares for texts in share.values() for text in texts]
    assert len(everything) == len(set(everything)) == 60


def test_neutral_pairs_are_neutral_in_both_modalities() -> None:
    texts = split_among(TEXTS, 1, np.random.default_rng(0))[0]
    pairings = list(pair_texts(texts, 8, 0.5, np.random.default_rng(0)))
    neutral = [p for p in pairings if p.label == "neu"]
    assert len(neutral) == 8
    assert {p.kind for p in neutral} == {"both"}


def test_ravdess_names_are_parsed(tmp_path: Path) -> None:
    for name in ("03-01-02-01-01-01-02.wav", "03-01-09-01-01-01-02.wav", "03-02-05-01-01-01-02.wav", "notes.txt"):
        (tmp_path / "Actor_02").mkdir(exist_ok=True)
        (tmp_path / "Actor_02" / name).touch()
    [take] = read_ravdess(tmp_path)
    assert (take.actor, take.label, take.gender, take.sentence) == (2, "neu", "F", "kids are talking by the door")


def test_missing_ravdess_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissingError):
        read_ravdess(tmp_path)


def test_real_clips(ravdess: Path) -> None:
    takes = read_ravdess(ravdess)
    assert Counter(take.label for take in takes if take.actor == 1) == {
        "neu": 12,
        "hap": 8,
        "sad": 8,
        "ang": 8,
        "sur": 8,
        "fea": 8,
        "dis": 8,
    }


def square(samples: int, level: float) -> NDArray[np.float32]:
    """Square wave at 1 kHz."""
    return np.resize(np.repeat(np.array([level, -level], np.float32), 8), samples)


def test_session_contains_only_audio_of_its_actors(tmp_path: Path) -> None:
    """Each actor's audio is a square wave of a different level."""
    levels = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
    takes = [
        CutTake(
            Take(Path(f"{actor}{label}.wav"), actor, label, "a b"),
            square(3_200, levels[actor]),
            tuple(WordPiece(square(1_600, levels[actor]), i) for i in range(2)),
            square(3_200, levels[actor]),
        )
        for actor in levels
        for label in LABELS
    ]
    write_composite(takes, TEXTS, tmp_path, SENTENCES)
    with (tmp_path / "pairs.tsv").open(newline="") as file:
        actors = {row["name"]: int(row["speaker"]) for row in csv.DictReader(file, delimiter="\t")}
    for utterance in read_iemocap(tmp_path).utterances:
        samples = decode_audio(utterance.wav.read_bytes()).samples
        actor = actors[utterance.name]
        assert (actor + 1) // 2 == utterance.session
        assert float(samples.max()) == pytest.approx(levels[actor], abs=1e-3)
        assert float(np.median(np.abs(samples))) == pytest.approx(levels[actor], abs=1e-3)
