"""Small corpus in IEMOCAP's format with lines of single raters, stray files, similar names and a missing alignment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from alignment.transcripts.wdseg import write_wdseg
from alignment.transcripts.words import TimedWord
from tests.builders import noise, timed

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
RATERS = "C-E2:\tNeutral;\t()\nC-E3:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
SENTENCES = {
    "Ses01F_impro01": {"F000": "neu", "F001": "fea", "M000": "ang", "M001": "sad"},
    "Ses02M_script01_1": {"F000": "hap", "M000": "exc", "M001": "ang"},
    "Ses02M_script01_1b": {"F000": "neu", "F001": "xxx", "M000": "sad"},
}
WITHOUT_WDSEG = "Ses02M_script01_1_M001"
WORDS = timed(("excuse(2)", 0.2, 0.6), ("me", 0.6, 0.9), ("++laughter++", 1.0, 1.3))


def write_iemocap(root: Path) -> Path:
    """Write the corpus and return its root."""
    for seed, (dialog, turns) in enumerate(SENTENCES.items()):
        session = root / f"Session{int(dialog[3:5])}"
        evaluations = session / "dialog" / "EmoEvaluation"
        for folder in ("Attribute", "Categorical", "Self-evaluation"):
            (evaluations / folder).mkdir(parents=True, exist_ok=True)
            (evaluations / folder / f"{dialog}_e2.txt").write_text("[1.0 - 2.0]\tnothing\tto\tread\n")
        lines = []
        for number, (turn, label) in enumerate(turns.items()):
            start_s = 2.0 * number
            times = f"[{start_s:.4f} - {start_s + 1.5:.4f}]"
            lines.append(f"{times}\t{dialog}_{turn}\t{label}\t[2.5000, 2.5000, 2.5000]\n{RATERS}")
            _write_sentence(session, dialog, turn, seed=seed * 10 + number)
        (evaluations / f"{dialog}.txt").write_text(HEADER + "".join(lines))
        (evaluations / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07AppleDouble")
    return root


def write_sessions(root: Path, sessions: int, labels: Sequence[str], each: int = 2) -> Path:
    """Write a corpus of several sessions with two speakers each, and return its root.

    Every speaker says `each` improvised sentences per label, whose words occur once in the corpus, and one scripted
    sentence per label, whose words are the same in every session: five for the first label, two for the others.
    """
    for number in range(1, sessions + 1):
        session = root / f"Session{number}"
        (session / "dialog" / "EmoEvaluation").mkdir(parents=True, exist_ok=True)
        for kind in ("impro", "script"):
            _write_dialog(session, f"Ses{number:02d}F_{kind}01", labels, each if kind == "impro" else 1)
    return root


def _write_dialog(session: Path, dialog: str, labels: Sequence[str], each: int) -> None:
    lines = []
    for speaker in "FM":
        for number in range(each * len(labels)):
            label, turn = labels[number % len(labels)], f"{speaker}{number:03d}"
            own = ("yes", "really") if number else ("what", "is", "the", "matter", "now")
            words = own if "script" in dialog else (f"{dialog}{turn}".replace("_", ""), label)
            spans = [(word, 0.1 * index + 0.1, 0.1 * index + 0.2) for index, word in enumerate(words)]
            lines.append(f"[0.0000 - 0.8000]\t{dialog}_{turn}\t{label}\t[2.5000, 2.5000, 2.5000]\n")
            _write_sentence(session, dialog, turn, len(lines), timed(*spans), 0.8)
    (session / "dialog" / "EmoEvaluation" / f"{dialog}.txt").write_text(HEADER + "".join(lines))


def _write_sentence(
    session: Path, dialog: str, turn: str, seed: int, words: Sequence[TimedWord] = WORDS, length_s: float = 1.5
) -> None:
    wavs = session / "sentences" / "wav" / dialog
    alignments = session / "sentences" / "ForcedAlignment" / dialog
    for folder in (wavs, alignments):
        folder.mkdir(parents=True, exist_ok=True)
    name = f"{dialog}_{turn}"
    # 24,100 samples: not a multiple of 160, as in the corpus.
    soundfile.write(wavs / f"{name}.wav", np.append(noise(length_s, seed), noise(0.00625)), 16_000, subtype="PCM_16")
    (wavs / f"._{name}.wav").write_bytes(b"\x00\x05\x16\x07")
    if name != WITHOUT_WDSEG:
        write_wdseg(alignments / f"{name}.wdseg", words, length_s)
