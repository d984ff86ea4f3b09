"""The Cross Attention Network, its layers and losses; `load` reads a trained one.

`model.network.load(FOLDER)` returns the torch network of a bundle, of a fold or of a run.
"""

from alignment.errors import optional_packages

with optional_packages("train", "torch", "onnx", "safetensors"):
    from model.network.stored import StoredNetwork, load

__all__ = ["StoredNetwork", "load"]
