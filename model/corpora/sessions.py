"""Sessions of the composite corpus on disk, in IEMOCAP's format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from alignment.timing import FRAME_SAMPLES, SAMPLE_RATE_HZ, frames_to_seconds, samples_to_seconds
from alignment.transcripts.wdseg import write_wdseg
from alignment.transcripts.words import TimedWord
from model.corpora.distortion import Distorted, distort
from model.corpora.splicing import join

_HEADER: Final = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
_DIALOG_UTTERANCES: Final = 50


class SessionWriter:
    """Writes the sentences of one session in IEMOCAP's format."""

    def __init__(self, root: Path, number: int, rng: np.random.Generator) -> None:
        """Create session `number` in `root`; `rng` is for changed recordings."""
        self._folder = root / f"Session{number}"
        self._number = number
        self._rng = rng
        self._dialog = 0
        self._clock_s = 0.0
        self._lines: list[str] = []

    def add(
        self, parts: Sequence[NDArray[np.float32]], words: Sequence[str], label: str, gender: str, *, changed: bool
    ) -> str:
        """Write one sentence: its wav, its `.wdseg` and its evaluation.

        Args:
            parts: Silence, the audio of each word, silence.
            words: Words.
            label: Label of the sentence.
            gender: F or M.
            changed: Distort the recording.

        Returns:
            Name of the sentence.
        """
        if not self._lines:
            self._dialog += 1
        dialog = f"Ses{self._number:02d}F_impro{self._dialog:02d}"
        name = f"{dialog}_{gender}{len(self._lines):03d}"
        joined = join(parts)
        sound = distort(joined, self._rng) if changed else Distorted(joined, 1.0)
        duration_s = samples_to_seconds(len(sound.samples))
        wav = self._path("sentences", "wav", dialog, f"{name}.wav")
        soundfile.write(wav, np.clip(sound.samples, -1.0, 1.0), SAMPLE_RATE_HZ, subtype="PCM_16")
        timed = _timed(parts, words, sound.speed)
        write_wdseg(self._path("sentences", "ForcedAlignment", dialog, f"{name}.wdseg"), timed, duration_s)
        times = f"[{self._clock_s:.4f} - {self._clock_s + duration_s:.4f}]"
        self._lines.append(f"{times}\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n")
        self._clock_s += duration_s
        if len(self._lines) == _DIALOG_UTTERANCES:
            self.finish_dialog()
        return name

    def finish_dialog(self) -> None:
        """Write the evaluation file of the current dialogue and start a new one."""
        if self._lines:
            path = self._path("dialog", "EmoEvaluation", f"Ses{self._number:02d}F_impro{self._dialog:02d}.txt")
            path.write_text(f"{_HEADER}\n\n" + "\n".join(self._lines), encoding="utf-8")
        self._lines, self._clock_s = [], 0.0

    def _path(self, *parts: str) -> Path:
        path = self._folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _timed(parts: Sequence[NDArray[np.float32]], words: Sequence[str], speed: float) -> list[TimedWord]:
    edges = np.round(np.cumsum([len(part) // FRAME_SAMPLES for part in parts]) / speed).astype(int)
    return [
        TimedWord(word, frames_to_seconds(int(first)), frames_to_seconds(int(last)), "aligned")
        for word, first, last in zip(words, edges, edges[1:], strict=False)
    ]
