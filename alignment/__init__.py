"""Audio decoding, word alignment and MFCC segments; imports neither `model` nor `service`."""

import os

# From 1.29 on, ONNX Runtime sends telemetry to Microsoft about the process, its models and a device id stored in
# ~/.cache, starting while it is imported (https://github.com/microsoft/onnxruntime/pull/27379). Only this variable
# turns it off, and only when it is set before; this package is imported before any module that imports ONNX Runtime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
