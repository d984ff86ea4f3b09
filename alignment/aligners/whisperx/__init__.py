"""The WhisperX aligner."""
