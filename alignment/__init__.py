"""Sound in, aligned words and MFCC segments out. Imports nothing of ours, and no torch."""

import os

# ONNX Runtime, from 1.29 on, tells Microsoft about the process, its models and a device id that it keeps in ~/.cache,
# and begins while it is imported (https://github.com/microsoft/onnxruntime/pull/27379). Only this variable keeps it
# quiet, and only when it is set before; this package is imported before whatever imports ONNX Runtime.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
