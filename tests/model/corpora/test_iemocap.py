"""IEMOCAP's format, with the irregularities of the release."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model.corpora.iemocap import read_iemocap
from model.errors import CorpusFileError, CorpusMissingError
from tests.model.corpora.iemocap_fixture import write_iemocap


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_iemocap(tmp_path / "IEMOCAP_full_release")


def test_labels_are_counted_and_requested_ones_read(root: Path) -> None:
    corpus = read_iemocap(root)
    assert corpus.labelled == 10
    assert corpus.by_label == {"ang": 2, "exc": 1, "fea": 1, "hap": 1, "neu": 2, "sad": 2, "xxx": 1}
    assert len(corpus.utterances) == 7
    assert corpus.without_wdseg == ("Ses02M_script01_1_M001",)
    assert corpus.without_wav == ()
    assert corpus.damaged == ()


def test_dialogs_with_common_prefix_are_separate(root: Path) -> None:
    dialogs = {u.name: u.dialog for u in read_iemocap(root).utterances}
    assert dialogs["Ses02M_script01_1_F000"] == "Ses02M_script01_1"
    assert dialogs["Ses02M_script01_1b_F000"] == "Ses02M_script01_1b"


def test_last_letter_is_the_speaker(root: Path) -> None:
    speakers = {u.name: u.speaker for u in read_iemocap(root).utterances}
    assert speakers["Ses01F_impro01_M000"] == "Ses01M"
    assert speakers["Ses01F_impro01_F000"] == "Ses01F"


def test_style_follows_dialog_name(root: Path) -> None:
    styles = {u.dialog: u.style for u in read_iemocap(root).utterances}
    assert styles["Ses01F_impro01"] == "improvised"
    assert styles["Ses02M_script01_1b"] == "scripted"


def test_words_keep_fillers_without_variant_numbers(root: Path) -> None:
    [first, *_] = read_iemocap(root).utterances
    assert [word.word for word in first.words] == ["excuse", "me", "++laughter++"]


@pytest.mark.parametrize(
    ("damage", "reason"), [(b"not a wav", "cannot be opened"), (b"", "cannot be opened"), (None, "its last word ends")]
)
def test_damaged_audio_is_reported_and_skipped_or_refused(root: Path, damage: bytes | None, reason: str) -> None:
    wav = root / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav"
    wav.write_bytes(wav.read_bytes()[:8_000] if damage is None else damage)
    corpus = read_iemocap(root)
    assert len(corpus.utterances) == 6
    [message] = corpus.damaged
    assert str(wav) in message
    assert reason in message
    with pytest.raises(CorpusFileError):
        read_iemocap(root, strict=True)


def test_labels_can_be_chosen(root: Path) -> None:
    assert {u.label for u in read_iemocap(root, ("fea", "sad")).utterances} == {"fea", "sad"}


def damage_evaluation(root: Path) -> None:
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_text(path.read_text() + "[9.0 - 10.0]\tSes01F_impro01_F009\n")


def damage_wdseg(root: Path) -> None:
    path = root / "Session1" / "sentences" / "ForcedAlignment" / "Ses01F_impro01" / "Ses01F_impro01_F000.wdseg"
    path.write_text("SFrm EFrm SegAScr Word\n5 2 -1 A\n")


def test_damage_is_skipped_and_reported(root: Path) -> None:
    damage_evaluation(root)
    damage_wdseg(root)
    corpus = read_iemocap(root)
    assert len(corpus.utterances) == 6
    assert len(corpus.damaged) == 2
    assert any("Ses01F_impro01.txt:" in message for message in corpus.damaged)
    assert any("F000.wdseg:2:" in message for message in corpus.damaged)


@pytest.mark.parametrize("damage", [damage_evaluation, damage_wdseg])
def test_strict_refuses_with_path_and_line(root: Path, damage: Callable[[Path], None]) -> None:
    damage(root)
    with pytest.raises(CorpusFileError) as caught:
        read_iemocap(root, strict=True)
    assert (caught.value.line or 0) >= 2


def test_missing_wav_is_reported(root: Path) -> None:
    (root / "Session1" / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_F000.wav").unlink()
    assert read_iemocap(root).without_wav == ("Ses01F_impro01_F000",)


def test_folder_without_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissingError, match=r"no Session.* with --root"):
        read_iemocap(tmp_path)


def test_invalid_byte_in_rater_line_is_ignored(root: Path) -> None:
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    whole = read_iemocap(root)
    path.write_bytes(path.read_bytes() + b"C-E1:\tAnger;\t(caf\xe9)\n")
    assert read_iemocap(root, strict=True) == whole


def test_evaluation_that_is_not_text_is_reported(root: Path) -> None:
    path = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_bytes(b"\xff\xfe\x00\x81")
    corpus = read_iemocap(root)
    assert corpus.damaged_evaluations == 1
    assert "Ses01F_impro01.txt:1: not a text file" in corpus.damaged[0]
