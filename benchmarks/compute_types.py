"""Error of Whisper's encoder and of the words for each compute type of CTranslate2 on this CPU.

    python -m benchmarks.compute_types
    CT2_USE_MKL=1 python -m benchmarks.compute_types

The reference is float32. Uses the Whisper of the tests by default; --model selects another folder in CTranslate2's
format.
"""

import json
import time
from pathlib import Path
from typing import Annotated, Final

import ctranslate2
import numpy as np
import typer
from numpy.typing import NDArray

from alignment.aligners.whisperx.placement import Placement, inspect_machine
from alignment.aligners.whisperx.recogniser import DecodingOptions, RecognitionInput, WhisperRecogniser
from alignment.audio import decode_audio

_FOLDER: Final = Path("tests/fixtures/tiny_whisperx")
_MEL_FRAMES: Final = 3_000


def encode(folder: Path, compute_type: str) -> NDArray[np.float32]:
    """Encoder states of random spectra of 30 s."""
    model = ctranslate2.models.Whisper(str(folder), compute_type=compute_type, intra_threads=1)
    spectra = np.random.default_rng(0).normal(0.0, 0.6, (1, model.n_mels, _MEL_FRAMES)).clip(-1.0, 1.5)
    states = model.encode(ctranslate2.StorageView.from_array(spectra.astype(np.float32)))
    return np.asarray(states, np.float32)


def main(
    model: Annotated[Path, typer.Option(help="Folder of a Whisper model.")] = _FOLDER / "whisper" / "tiny-words",
) -> None:
    """Print a line for each compute type."""
    words: dict[str, list[dict[str, str]]] = json.loads((_FOLDER / "speech" / "words.json").read_text(encoding="utf-8"))
    clips = [decode_audio((_FOLDER / "speech" / f"{name}.flac").read_bytes()).samples for name in words]
    texts = [" ".join(each["word"] for each in clip) for clip in words.values()]
    machine, reference = inspect_machine(), encode(model, "float32")
    print(f"8-bit sums are {'exact' if machine.exact_int8 else 'not exact'} according to the processor")
    for kind in sorted(machine.cpu_types):
        error = np.sqrt(np.mean((encode(model, kind) - reference) ** 2)) / reference.std()
        recogniser = WhisperRecogniser(model, Placement("cpu", kind), 1)
        started = time.perf_counter()
        found = recogniser.transcribe_many([RecognitionInput(clip, DecodingOptions("en")) for clip in clips])
        spent_ms = 1_000 * (time.perf_counter() - started) / len(clips)
        exact = sum(one.strip() == text for one, text in zip(found, texts, strict=True))
        print(f"{kind}: encoder error {error:.1%}, {exact} of {len(texts)} clips exact, {spent_ms:.0f} ms per clip")


if __name__ == "__main__":
    typer.run(main)
