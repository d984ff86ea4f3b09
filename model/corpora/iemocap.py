"""Reader of IEMOCAP as distributed by USC SAIL, and of corpora in its format.

    ROOT/Session1..N/dialog/EmoEvaluation/<dialog>.txt
                    /sentences/wav/<dialog>/<utterance>.wav
                    /sentences/ForcedAlignment/<dialog>/<utterance>.wdseg

Source: Busso et al. 2008, Language Resources and Evaluation 42(4).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import soundfile

from alignment.errors import WdsegError
from alignment.transcripts.wdseg import read_wdseg
from alignment.transcripts.words import TimedWord
from model.corpora.records import Corpus, CorpusUtterance, Style
from model.errors import CorpusFileError, CorpusMissingError

PAPER_LABELS: Final = ("ang", "exc", "hap", "sad", "fru", "sur", "neu")
"""Section 4.1: fear, disgust and other are excluded because they have too few utterances."""

ALL_LABELS: Final = ("ang", "exc", "hap", "sad", "fru", "sur", "fea", "dis", "neu")
"""Labels with a name in `model.scores`, in the order of the classes of a network."""

_SESSION: Final = re.compile(r"Session(\d+)")
_SUMMARY: Final = re.compile(r"\[\d")
_TIMES: Final = re.compile(r"\[\d+(\.\d+)? - \d+(\.\d+)?\]")
_OVERHANG_S: Final = 0.1
_NAME: Final = re.compile(r"(?P<dialog>Ses\d\d[FM]_\w+)_(?P<gender>[FM])(?P<turn>[X\d]+)")


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """One summary line of an EmoEvaluation file."""

    name: str
    label: str


def read_iemocap(root: Path, labels: Sequence[str] = PAPER_LABELS, *, strict: bool = False) -> Corpus:
    """Read labels and word alignments; of the audio only the header is checked.

    Args:
        root: Folder with Session1, Session2, ….
        labels: Labels of the utterances to read.
        strict: Fail on damaged files instead of skipping them.

    Raises:
        CorpusMissingError: There is no Session folder with evaluations.
        CorpusFileError: A file is damaged, and `strict` is true.
    """
    sessions = sorted((int(m[1]), path) for path in _visible(root) if (m := _SESSION.fullmatch(path.name)))
    builder = _CorpusBuilder(strict)
    for number, session in sessions:
        for evaluation_file in sorted(_visible(session / "dialog" / "EmoEvaluation", "*.txt")):
            for evaluation in _read_evaluations(evaluation_file, builder.damaged_evaluations):
                builder.add(evaluation, session, number, labels)
    if not builder.by_label:
        raise CorpusMissingError(root, "Session*/dialog/EmoEvaluation/*.txt", "--root")
    return builder.corpus(labels)


def _read_evaluations(path: Path, on_damage: "_DamageCollector") -> Iterator[_Evaluation]:
    """Summary lines of one EmoEvaluation file; lines of single raters are ignored.

    Args:
        path: The file.
        on_damage: Called for each damaged summary line, and for a file without a summary line that is not text.
    """
    # Raters' comments, which are not read, may contain bytes that are not UTF-8.
    text = path.read_text(encoding="utf-8", errors="replace")
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if _SUMMARY.match(line)]
    if not numbered and "\ufffd" in text:
        on_damage(CorpusFileError(path, 1, "not a text file (it has no summary line and is not UTF-8)"))
    for number, line in numbered:
        fields = line.split("\t")
        if len(fields) == 4 and _TIMES.fullmatch(fields[0].strip()) and _NAME.fullmatch(fields[1]) and fields[2]:
            yield _Evaluation(fields[1], fields[2])
        else:
            on_damage(CorpusFileError(path, number, f"not a summary line of four fields: {line!r}"))


class _DamageCollector:
    """Raises errors of damaged files if strict, and collects their messages otherwise."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.messages: list[str] = []

    def __call__(self, error: CorpusFileError | WdsegError) -> None:
        """Raise or collect an error."""
        if not self.strict:
            self.messages.append(str(error))
        elif isinstance(error, CorpusFileError):
            raise error
        else:
            raise CorpusFileError(error.path, error.line, error.reason) from error


class _CorpusBuilder:
    """Utterances and counts read so far."""

    def __init__(self, strict: bool) -> None:
        self.damaged_evaluations, self._damaged_sentences = _DamageCollector(strict), _DamageCollector(strict)
        self._sessions: set[int] = set()
        self.by_label: Counter[str] = Counter()
        self._utterances: list[CorpusUtterance] = []
        self._without_wdseg: list[str] = []
        self._without_wav: list[str] = []

    def add(self, evaluation: _Evaluation, session: Path, number: int, labels: Sequence[str]) -> None:
        """Count an evaluation and, if its label is requested, read its words and check its audio."""
        self.by_label[evaluation.label] += 1
        self._sessions.add(number)
        if evaluation.label not in labels:
            return
        name = evaluation.name
        dialog, turn = name.rsplit("_", 1)
        wav = session / "sentences" / "wav" / dialog / f"{name}.wav"
        wdseg = session / "sentences" / "ForcedAlignment" / dialog / f"{name}.wdseg"
        if not wdseg.is_file():
            self._without_wdseg.append(name)
            return
        if not wav.is_file():
            self._without_wav.append(name)
            return
        try:
            words = read_wdseg(wdseg)
            _check_audio(wav, words)
        except (WdsegError, CorpusFileError) as error:
            self._damaged_sentences(error)
            return
        # The letter in the name of the dialog is the speaker with motion-capture markers, not the speaker of the turn.
        speaker = f"Ses{number:02d}{turn[0]}"
        style: Style = "scripted" if "script" in dialog else "improvised"
        self._utterances.append(CorpusUtterance(name, number, speaker, dialog, style, evaluation.label, wav, words))

    def corpus(self, labels: Sequence[str]) -> Corpus:
        """The corpus read so far."""
        return Corpus(
            name="iemocap",
            utterances=tuple(self._utterances),
            labelled=self.by_label.total(),
            by_label=dict(sorted(self.by_label.items())),
            without_wdseg=tuple(self._without_wdseg),
            without_wav=tuple(self._without_wav),
            damaged=(*self.damaged_evaluations.messages, *self._damaged_sentences.messages),
            sessions=tuple(sorted(self._sessions)),
            damaged_evaluations=len(self.damaged_evaluations.messages),
            labels=tuple(labels),
        )


def _check_audio(wav: Path, words: Sequence[TimedWord]) -> None:
    """Check that a wav opens, is not empty, and holds its last word; feature extraction detects other damage."""
    try:
        info = soundfile.info(wav)
    except soundfile.LibsndfileError as exc:
        raise CorpusFileError(wav, None, f"cannot be opened ({exc.error_string})") from exc
    last_s = words[-1].end_s if words else 0.0
    if not info.frames or last_s > info.duration + _OVERHANG_S:
        raise CorpusFileError(wav, None, f"lasts {info.duration:.2f} s, its last word ends at {last_s:.2f} s")


def _visible(folder: Path, pattern: str = "*") -> list[Path]:
    """Entries of a folder without AppleDouble files (`._*`), which some copies contain."""
    return [path for path in folder.glob(pattern) if not path.name.startswith(".")]
