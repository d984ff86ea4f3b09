from pathlib import Path

import pytest

from alignment.errors import WdsegError
from alignment.transcripts.wdseg import read_wdseg, write_wdseg
from tests.builders import timed

IEMOCAP = """\tSFrm  EFrm    SegAScr Word
     0    51    -120432 <s>
    52    75     -93440 I
    76    88      48771 LIKE(2)
    89   140     -11021 <sil>
   141   143    -100214 ++LAUGHTER++
   144   177      -8433 </s>
 Total score:     -284769
"""


def test_format_of_the_corpus_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wdseg"
    path.write_text(IEMOCAP)
    words = read_wdseg(path)
    assert [word.word for word in words] == ["i", "like", "++laughter++"]
    # EFrm is inclusive: frame 75 ends at 0.76 s.
    assert [(word.start_s, word.end_s) for word in words] == [(0.52, 0.76), (0.76, 0.89), (1.41, 1.44)]


def test_written_files_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.wdseg"
    words = timed(("kids", 0.2, 0.5), ("talk", 0.7, 1.01))
    write_wdseg(path, words, 1.5)
    assert [(w.word, w.start_s, w.end_s) for w in read_wdseg(path)] == [("kids", 0.2, 0.5), ("talk", 0.7, 1.01)]
    tokens = [line.split()[3] for line in path.read_text().splitlines()[1:-1]]
    assert tokens == ["<s>", "KIDS", "<sil>", "TALK", "</s>"]


def test_control_tokens_only_give_no_words(tmp_path: Path) -> None:
    path = tmp_path / "a.wdseg"
    path.write_text("SFrm EFrm SegAScr Word\n0 51 -1 <s>\n52 60 -1 </s>\n")
    assert read_wdseg(path) == ()


@pytest.mark.parametrize(
    ("text", "line"), [("", 0), ("SFrm EFrm SegAScr Word\n", 1), ("0 10 -1 A\n5 20 -1 B\n", 2), ("10 5 -1 A\n", 1)]
)
def test_damaged_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "a.wdseg"
    path.write_text(text)
    with pytest.raises(WdsegError) as caught:
        read_wdseg(path)
    assert (caught.value.path, caught.value.line) == (path, line)


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wdseg"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(WdsegError, match="not a text file"):
        read_wdseg(path)
