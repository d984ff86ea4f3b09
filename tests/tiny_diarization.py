"""Small pyannote pipeline without gated weights, written on demand.

The segmentation network is the one in the whisperx package. The embedding network has random weights, which suffice to
separate a male from a female espeak-ng voice.
"""

from pathlib import Path
from shutil import copyfile

import numpy as np

_DIMENSION = 32
_PIPELINE = """\
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: AgglomerativeClustering
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    embedding_exclude_overlap: true
    segmentation_step: 0.2
params:
  segmentation: {threshold: 0.5, min_duration_off: 0.0}
  clustering: {method: centroid, threshold: 0.2, min_cluster_size: 1}
"""


def write_tiny_pipeline(folder: Path) -> Path:
    """Fill a folder as `can-ser fetch --diarize` does, and return it."""
    import whisperx

    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir(parents=True)
    shipped = Path(str(whisperx.__file__)).parent / "assets" / "pytorch_model.bin"
    copyfile(shipped, folder / "segmentation" / "pytorch_model.bin")
    _write_random_embedding(folder / "embedding" / "pytorch_model.bin")
    zeros, ones = np.zeros(_DIMENSION), np.eye(_DIMENSION)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=zeros, mean2=zeros, lda=ones)
    np.savez(folder / "plda" / "plda.npz", mu=zeros, tr=ones, psi=np.linspace(2, 1, _DIMENSION))
    (folder / "config.yaml").write_text(_PIPELINE)
    return folder


def _write_random_embedding(path: Path) -> None:
    import torch
    from pyannote.audio import __version__
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC

    torch.manual_seed(0)
    network = XVectorMFCC(dimension=_DIMENSION)
    task = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=3.0, classes=["speaker"])
    kind = {"module": type(network).__module__, "class": type(network).__name__}
    metadata = {"versions": {"pyannote.audio": __version__}, "architecture": kind, "specifications": task}
    torch.save(
        {
            "state_dict": network.state_dict(),
            "hyper_parameters": dict(network.hparams),
            "pytorch-lightning_version": "2.0.0",
            "pyannote.audio": metadata,
        },
        path,
    )
