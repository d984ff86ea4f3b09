"""Files of Moonshine tiny-en in the package moonshine-voice, of which no code is imported.

The package carries the English model up to version 0.0.73; its code needs PortAudio, which a server does not have.

Source: Jeffries et al. 2024, Moonshine: Speech Recognition for Live Transcription and Voice Commands, arXiv:2410.15608;
the model is published under the MIT licence.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from alignment.errors import AlignerUnavailableError

NAME: Final = "moonshine"
MODEL: Final = "tiny-en"
_PACKAGE: Final = "moonshine_voice"
_VERSION: Final = "moonshine-voice==0.0.73"
_INSTALL: Final = f"`make install` installs {_VERSION}, which contains the model"
_REINSTALL: Final = f"`python -m pip install --force-reinstall --no-deps {_VERSION}` installs it again"
ENCODER: Final = "encoder_model.ort"
_DECODER: Final = "decoder_model_merged.ort"
_TOKENIZER: Final = "tokenizer.bin"
SHA256: Final = {
    ENCODER: "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
    _DECODER: "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
    _TOKENIZER: "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Paths of the model's files."""

    encoder: Path
    decoder: Path
    tokenizer: Path

    def verify(self) -> None:
        """Compare the files with the published ones.

        Raises:
            AlignerUnavailableError: A file is missing or has other content.
        """
        for path in (self.encoder, self.decoder, self.tokenizer):
            verify_file(path)


def verify_file(path: Path) -> str:
    """Compare a file with the published one; return its SHA-256.

    Raises:
        AlignerUnavailableError: It is missing or has other content.
    """
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise AlignerUnavailableError(NAME, f"{path} cannot be read ({exc.strerror})", _REINSTALL) from exc
    if digest != SHA256[path.name]:
        reason = f"{path} is not the published file (its SHA-256 is {digest})"
        raise AlignerUnavailableError(NAME, reason, _REINSTALL)
    return digest


def find_model_files() -> ModelFiles:
    """Locate the model without loading or verifying it.

    Raises:
        AlignerUnavailableError: The package is not installed, or a version without the model.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        reason = (
            "the package moonshine-voice is not installed; it exists for x86-64 and ARM64 Linux (glibc 2.31 or "
            "2.34), macOS 15 and Windows"
        )
        raise AlignerUnavailableError(NAME, reason, _INSTALL)
    folder = Path(spec.submodule_search_locations[0]) / "assets" / MODEL
    missing = [name for name in SHA256 if not (folder / name).is_file()]
    if missing:
        raise AlignerUnavailableError(NAME, f"{folder / missing[0]} does not exist", _REINSTALL)
    return ModelFiles(folder / ENCODER, folder / _DECODER, folder / _TOKENIZER)
