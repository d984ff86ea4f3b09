"""IEMOCAP as USC SAIL distributes it, and any corpus in its format.

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
"""Section 4.1: fear, disgust and other are left out for having too few utterances."""

_SESSION: Final = re.compile(r"Session(\d+)")
_SUMMARY: Final = re.compile(r"\[\d")
_TIMES: Final = re.compile(r"\[\d+(\.\d+)? - \d+(\.\d+)?\]")
_OVERHANG_S: Final = 0.1
_NAME: Final = re.compile(r"(?P<dialog>Ses\d\d[FM]_\w+)_(?P<gender>[FM])(?P<turn>[X\d]+)")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One summary line of an EmoEvaluation file."""

    name: str
    label: str


def read_iemocap(root: Path, labels: Sequence[str] = PAPER_LABELS, *, strict: bool = False) -> Corpus:
    """Reads labels and word alignments; sound is only looked for.

    Args:
        root: folder with Session1, Session2, ….
        labels: those wanted.
        strict: refuse damaged files instead of skipping them.

    Raises:
        CorpusMissingError: there is no Session folder with evaluations in it.
        CorpusFileError: `strict`, and a file is damaged.
    """
    sessions = sorted((int(m[1]), path) for path in _visible(root) if (m := _SESSION.fullmatch(path.name)))
    found = _Findings(strict)
    for number, session in sessions:
        for evaluation_file in sorted(_visible(session / "dialog" / "EmoEvaluation", "*.txt")):
            for evaluation in read_evaluations(evaluation_file, found.report_evaluation):
                found.add(evaluation, session, number, labels)
    if not found.by_label:
        raise CorpusMissingError(root, "Session*/dialog/EmoEvaluation/*.txt", "--root")
    return found.corpus()


def read_evaluations(path: Path, report: "Reporter | None" = None) -> Iterator[Evaluation]:
    """Summary lines of one EmoEvaluation file; single raters' lines are passed over.

    Raises:
        CorpusFileError: a summary line is damaged, or there is none among bytes that are no text, and there is no
            `report` to take it.
    """
    # A byte that is no UTF-8 may stand in a rater's comment, which nobody reads here.
    text = path.read_text(encoding="utf-8", errors="replace")
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if _SUMMARY.match(line)]
    if not numbered and "\ufffd" in text:
        (report or _refuse)(CorpusFileError(path, 1, "not a text file (it has no summary line, and is no UTF-8)"))
    for number, line in numbered:
        fields = line.split("\t")
        if len(fields) == 4 and _TIMES.fullmatch(fields[0].strip()) and _NAME.fullmatch(fields[1]) and fields[2]:
            yield Evaluation(fields[1], fields[2])
        else:
            (report or _refuse)(CorpusFileError(path, number, f"not a summary line of four fields: {line!r}"))


class Reporter:
    """Takes a damaged file's error: raises it when strict, keeps it otherwise."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.messages: list[str] = []

    def __call__(self, error: CorpusFileError | WdsegError) -> None:
        """Raises or keeps."""
        if not self.strict:
            self.messages.append(str(error))
        elif isinstance(error, CorpusFileError):
            raise error
        else:
            raise CorpusFileError(error.path, error.line, error.reason) from error


def _refuse(error: CorpusFileError) -> None:
    raise error


class _Findings:
    """What has been read so far."""

    def __init__(self, strict: bool) -> None:
        self.report_evaluation, self.report_sentence = Reporter(strict), Reporter(strict)
        self._sessions: set[int] = set()
        self.by_label: Counter[str] = Counter()
        self._utterances: list[CorpusUtterance] = []
        self._without_wdseg: list[str] = []
        self._without_wav: list[str] = []

    def add(self, evaluation: Evaluation, session: Path, number: int, labels: Sequence[str]) -> None:
        """Counts an evaluation and, when its label is wanted, looks for its words and sound."""
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
            _check_sound(wav, words)
        except (WdsegError, CorpusFileError) as error:
            self.report_sentence(error)
            return
        # The letter inside the dialog's name says who wears the motion-capture markers, not who speaks.
        speaker = f"Ses{number:02d}{turn[0]}"
        style: Style = "scripted" if "script" in dialog else "improvised"
        self._utterances.append(CorpusUtterance(name, number, speaker, dialog, style, evaluation.label, wav, words))

    def corpus(self) -> Corpus:
        """Everything found."""
        return Corpus(
            name="iemocap",
            utterances=tuple(self._utterances),
            labelled=self.by_label.total(),
            by_label=dict(sorted(self.by_label.items())),
            without_wdseg=tuple(self._without_wdseg),
            without_wav=tuple(self._without_wav),
            damaged=(*self.report_evaluation.messages, *self.report_sentence.messages),
            sessions=tuple(sorted(self._sessions)),
            damaged_evaluations=len(self.report_evaluation.messages),
        )


def _check_sound(wav: Path, words: Sequence[TimedWord]) -> None:
    """By its header alone: damage further inside shows when features are extracted.

    Raises:
        CorpusFileError: the wav cannot be opened, is empty, or ends before its words do.
    """
    try:
        found = soundfile.info(wav)
    except soundfile.LibsndfileError as exc:
        raise CorpusFileError(wav, None, f"cannot be opened ({exc.error_string})") from exc
    last_s = words[-1].end_s if words else 0.0
    if not found.frames or last_s > found.duration + _OVERHANG_S:
        raise CorpusFileError(wav, None, f"holds {found.duration:.2f} s of sound, its last word ends at {last_s:.2f} s")


def _visible(folder: Path, pattern: str = "*") -> list[Path]:
    """Entries of a folder but the AppleDouble files (`._*`) that some copies hold."""
    return [path for path in folder.glob(pattern) if not path.name.startswith(".")]
