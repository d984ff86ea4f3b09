"""Fails unless exactly one ONNX Runtime is there, of the name and with the provider that are given."""

import sys
from importlib.metadata import distributions

import onnxruntime

wanted, provider = sys.argv[1:]
found = sorted({name for each in distributions() if (name := each.metadata["Name"]).startswith("onnxruntime")})
providers = onnxruntime.get_available_providers()
print(f"{', '.join(found)}: {', '.join(providers)}")  # noqa: T201
if found != [wanted] or provider not in providers:
    sys.exit(f"{wanted} with {provider} is wanted, alone")
