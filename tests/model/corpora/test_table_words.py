from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform, decode_audio
from alignment.errors import AlignerFailedError, AlignerUnavailableError, NoSpeechError
from alignment.features.extraction import FeatureSpec
from alignment.pipeline import bring_to_level, compute_features, find_words
from alignment.transcripts.words import Transcript
from model.corpora.table import TableRow, read_table
from model.corpora.table_corpus import build_table_corpus
from model.corpora.table_words import FoundWords, WordSource, find_all_words
from model.data.cache import cached_feature_set
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.model.corpora.table_fixture import make_rows, write_table

LEVELLED = FeatureSpec(level_db=-26.0)


class RecordingAligner(FakeAligner):
    """Records the text and the loudest sample of every call; finds no speech in short recordings."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.peaks: list[float] = []

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        self.texts.append(text)
        self.peaks.append(float(np.abs(waveform.samples).max()))
        if waveform.duration_s < 0.5:
            raise NoSpeechError(waveform.duration_s)
        return super().align(waveform, text, language)


@pytest.fixture
def rows(tmp_path: Path) -> list[TableRow]:
    """Two rows with words, one with a text and one with neither."""
    given = read_table(write_table(tmp_path / "own.csv", make_rows(tmp_path, speakers=2, each=1)))
    return [given[0], given[1], replace(given[2], words=None, text="hello there"), replace(given[3], words=None)]


def find(rows: list[TableRow], cache: Path, aligner: Aligner, spec: FeatureSpec = LEVELLED) -> FoundWords:
    return find_all_words(rows, WordSource(lambda: aligner, spec, None, cache, 1))


def test_words_are_given_aligned_or_recognised(tmp_path: Path, rows: list[TableRow]) -> None:
    aligner = RecordingAligner()
    found = find(rows, tmp_path / "cache", aligner)
    assert [[word.word for word in row.words] for row in found.by_row] == [
        ["good", "morning"],
        ["good", "morning"],
        ["hello", "there"],
        ["the", "children"],
    ]
    assert aligner.texts == ["hello there", "the children"]
    assert found.aligner is not None
    assert found.aligner.name == "fake"


def test_no_aligner_is_created_where_all_times_are_given(tmp_path: Path, rows: list[TableRow]) -> None:
    def fail() -> Aligner:
        raise AssertionError("created")

    found = find_all_words(rows[:2], WordSource(fail, LEVELLED, None, tmp_path / "cache", 1))
    assert found.aligner is None
    assert [row.fault for row in found.by_row] == ["", ""]


def test_stored_words_are_used_again_unless_text_or_level_changes(tmp_path: Path, rows: list[TableRow]) -> None:
    aligner = RecordingAligner()
    first = find(rows, tmp_path / "cache", aligner)
    assert find(rows, tmp_path / "cache", aligner).by_row == first.by_row
    assert aligner.calls == 2
    find([*rows[:2], replace(rows[2], text="good day"), rows[3]], tmp_path / "cache", aligner)
    assert aligner.calls == 3
    find(rows, tmp_path / "cache", aligner, FeatureSpec())
    assert aligner.calls == 5


def test_interrupted_run_is_resumed(tmp_path: Path, rows: list[TableRow]) -> None:
    aligner = RecordingAligner()
    find(rows, tmp_path / "cache", aligner)
    [store] = (tmp_path / "cache").glob("*fake*")
    store.write_text(store.read_text()[:-20])
    find(rows, tmp_path / "cache", aligner)
    assert aligner.calls == 3


def test_aligner_receives_sound_at_level_of_features(tmp_path: Path, rows: list[TableRow]) -> None:
    aligner = RecordingAligner()
    find(rows, tmp_path / "a", aligner)
    find(rows, tmp_path / "b", aligner, FeatureSpec(level_db=-46.0))
    louder, quieter = aligner.peaks[0], aligner.peaks[2]
    assert louder / quieter == pytest.approx(10.0, rel=0.01)


def test_unusable_recordings_are_left_out_with_reason(tmp_path: Path, rows: list[TableRow]) -> None:
    damaged, short = tmp_path / "damaged.wav", tmp_path / "short.wav"
    damaged.write_bytes(b"RIFF")
    short.write_bytes(encode(noise(0.3)))
    long = tmp_path / "long.wav"
    long.write_bytes(encode(noise(61.0)))
    bare = replace(rows[3], words=None)
    extra = [
        replace(bare, number=10 + number, name=path.name, path=path)
        for number, path in enumerate((damaged, short, long))
    ]
    late = replace(rows[0], number=20, name="late", words=tuple(replace(w, end_s=9.0) for w in rows[0].words or ()))
    table = [*rows, *extra, late]
    corpus = build_table_corpus(table, find(table, tmp_path / "cache", RecordingAligner()))
    assert {each.row.number: each.fault for each in corpus.left_out} == {
        10: "unusable audio",
        11: "no speech",
        12: "too long",
        20: "words that do not fit the audio",
    }
    assert len(corpus.corpus.utterances) == 4
    lines = list(corpus.report())
    assert lines[0] == "8 rows, 4 used (calm-ish 2, keen 2)"
    assert lines[1].startswith("4 left out: ")
    assert any(line.startswith("left out: row 10 (damaged.wav): ") for line in lines)
    assert corpus.describe()["left_out"]["no speech"] == 1


def test_same_recording_under_another_name_is_left_out(tmp_path: Path, rows: list[TableRow]) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(rows[0].path.read_bytes())
    table = [*rows, replace(rows[0], number=9, name="copy.wav", path=copy, label="keen")]
    corpus = build_table_corpus(table, find(table, tmp_path / "cache", RecordingAligner()))
    [left_out] = corpus.left_out
    assert str(left_out) == (
        "row 9 (copy.wav): it is the same recording as row 2 (clips/0-0.wav), which is labelled 'calm-ish', not 'keen'"
    )


def test_recording_with_unusable_words_does_not_replace_its_repetition(tmp_path: Path, rows: list[TableRow]) -> None:
    late = replace(rows[0], number=1, name="late", words=tuple(replace(w, end_s=9.0) for w in rows[0].words or ()))
    table = [late, *rows]
    corpus = build_table_corpus(table, find(table, tmp_path / "cache", RecordingAligner()))
    assert [each.row.name for each in corpus.left_out] == ["late"]
    assert len(corpus.corpus.utterances) == len(rows)


def test_failure_of_one_recording_is_not_stored_and_missing_aligner_stops(tmp_path: Path, rows: list[TableRow]) -> None:
    aligner = RecordingAligner()
    aligner.error = AlignerFailedError("fake", "crashed")
    found = find(rows, tmp_path / "cache", aligner)
    assert [row.fault for row in found.by_row] == ["", "", "failed alignment", "failed alignment"]
    aligner.error = None
    assert [row.fault for row in find(rows, tmp_path / "cache", aligner).by_row] == [""] * 4
    aligner.error = AlignerUnavailableError("fake", "no weights", "install them")
    with pytest.raises(AlignerUnavailableError):
        find(rows, tmp_path / "other", aligner)


@pytest.mark.parametrize("spec", [LEVELLED, FeatureSpec()])
def test_features_are_those_of_the_service(tmp_path: Path, rows: list[TableRow], spec: FeatureSpec) -> None:
    """Words and features of a recording with a text: the functions that the service calls, in its order."""
    aligner = FakeAligner()
    row = rows[2]
    corpus = build_table_corpus([row, rows[3]], find([row, rows[3]], tmp_path / "cache", aligner, spec)).corpus
    trained = cached_feature_set(corpus.utterances, spec, speed=1.0, processes=1, cache=tmp_path / "cache")
    waveform = bring_to_level(decode_audio(row.path.read_bytes()), spec)
    transcript = find_words(waveform, aligner, transcript=row.text)
    [served] = compute_features(waveform, transcript, spec)
    count = int(trained.frame_counts[: trained.segment_counts[0]].sum())
    assert trained.words[0] == served.words
    assert trained.frame_counts[: trained.segment_counts[0]].tolist() == served.frame_counts.tolist()
    np.testing.assert_allclose(trained.frames[:count], served.frames, atol=1e-4)


def test_features_at_another_speed_are_shorter(tmp_path: Path, rows: list[TableRow]) -> None:
    corpus = build_table_corpus(rows[:2], find(rows[:2], tmp_path / "cache", FakeAligner())).corpus
    plain, fast = (
        cached_feature_set(corpus.utterances, LEVELLED, speed=speed, processes=1, cache=tmp_path / "cache")
        for speed in (1.0, 1.25)
    )
    assert fast.frame_counts.sum() / plain.frame_counts.sum() == pytest.approx(1 / 1.25, rel=0.1)
