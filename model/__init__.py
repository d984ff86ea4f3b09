"""Features in, emotions out: the Cross Attention Network, its training, its export and its runtime."""

# Before anything here imports ONNX Runtime: it keeps that from sending telemetry.
import alignment  # noqa: F401
