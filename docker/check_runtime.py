"""Exit with an error unless the given package is the only ONNX Runtime and has the given provider."""

import sys
from importlib.metadata import distributions

import onnxruntime

expected, provider = sys.argv[1:]
installed = sorted({name for each in distributions() if (name := each.metadata["Name"]).startswith("onnxruntime")})
providers = onnxruntime.get_available_providers()
print(f"{', '.join(installed)}: {', '.join(providers)}")  # noqa: T201
if installed != [expected] or provider not in providers:
    sys.exit(f"expected only {expected} with {provider}")
