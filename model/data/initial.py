"""Weights that training begins with, instead of random ones."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.bundle import Normalisation


@dataclass(frozen=True, slots=True, eq=False)
class InitialWeights:
    """Weights of a trained network, without its word vectors.

    Attributes:
        tensors: Parameters and buffers by name.
        labels: Labels in the order of its classes.
        normalisation: Normalisation of its frames.
        source: Name and version of the bundle.
    """

    tensors: dict[str, Tensor]
    labels: tuple[str, ...]
    normalisation: Normalisation
    source: str

    @property
    def digest(self) -> str:
        """Checksum of the values."""
        digest = sha256(json.dumps(self._facts()).encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write one file in the format of safetensors."""
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        save_file(tensors, path, {"facts": json.dumps(self._facts())})

    @classmethod
    def read(cls, path: Path) -> "InitialWeights":
        """Read a file written by `write`."""
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
        tensors = load_file(path)
        normalisation = TypeAdapter(Normalisation).validate_python(facts["normalisation"])
        return cls(tensors, tuple(facts["labels"]), normalisation, facts["source"])

    def _facts(self) -> dict[str, Any]:
        return {"labels": self.labels, "normalisation": asdict(self.normalisation), "source": self.source}
