"""The Cross Attention Network: from features to emotions, with training, export and runtime."""

# Imported before ONNX Runtime, whose telemetry it disables.
import alignment  # noqa: F401
