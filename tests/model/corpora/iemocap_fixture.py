"""Small corpus in IEMOCAP's format with lines of single raters, stray files, similar names and a missing alignment."""

from pathlib import Path

import numpy as np
import soundfile

from alignment.transcripts.wdseg import write_wdseg
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


def _write_sentence(session: Path, dialog: str, turn: str, seed: int) -> None:
    wavs = session / "sentences" / "wav" / dialog
    alignments = session / "sentences" / "ForcedAlignment" / dialog
    for folder in (wavs, alignments):
        folder.mkdir(parents=True, exist_ok=True)
    name = f"{dialog}_{turn}"
    # 24,100 samples: not a multiple of 160, as in the corpus.
    soundfile.write(wavs / f"{name}.wav", np.append(noise(1.5, seed), noise(0.00625)), 16_000, subtype="PCM_16")
    (wavs / f"._{name}.wav").write_bytes(b"\x00\x05\x16\x07")
    if name != WITHOUT_WDSEG:
        write_wdseg(alignments / f"{name}.wdseg", WORDS, 1.5)
