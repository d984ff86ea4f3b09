"""A pipeline of pyannote's that needs no gated weights, small enough to be made when a test needs it.

The network that finds who speaks in a few seconds ships inside whisperx; the one that compares voices has random
weights, which is enough to tell a man of espeak-ng's from a woman.
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
    """The folder, filled as `can-ser fetch --diarize` would."""
    import whisperx

    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir(parents=True)
    shipped = Path(str(whisperx.__file__)).parent / "assets" / "pytorch_model.bin"
    copyfile(shipped, folder / "segmentation" / "pytorch_model.bin")
    _write_random_voices(folder / "embedding" / "pytorch_model.bin")
    zeros, ones = np.zeros(_DIMENSION), np.eye(_DIMENSION)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=zeros, mean2=zeros, lda=ones)
    np.savez(folder / "plda" / "plda.npz", mu=zeros, tr=ones, psi=np.linspace(2, 1, _DIMENSION))
    (folder / "config.yaml").write_text(_PIPELINE)
    return folder


def _write_random_voices(path: Path) -> None:
    import torch
    from pyannote.audio import __version__
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC

    torch.manual_seed(0)
    network = XVectorMFCC(dimension=_DIMENSION)
    task = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=3.0, classes=["anybody"])
    kind = {"module": type(network).__module__, "class": type(network).__name__}
    told = {"versions": {"pyannote.audio": __version__}, "architecture": kind, "specifications": task}
    torch.save(
        {
            "state_dict": network.state_dict(),
            "hyper_parameters": dict(network.hparams),
            "pytorch-lightning_version": "2.0.0",
            "pyannote.audio": told,
        },
        path,
    )
