import io

import numpy as np
import pytest
import soundfile

from alignment.errors import NonFiniteAudioError
from alignment.pcm import ENCODINGS, Encoding, PcmDecoder
from tests.builders import tone

SUBTYPES: dict[Encoding, str] = {"pcm_s16le": "PCM_16", "pcm_f32le": "FLOAT", "mulaw": "ULAW", "alaw": "ALAW"}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("chunk_bytes", [1, 3, 1_000])
def test_decodes_as_libsndfile_in_chunks_of_any_length(encoding: Encoding, chunk_bytes: int) -> None:
    fields = {"samplerate": 8_000, "format": "RAW", "subtype": SUBTYPES[encoding], "endian": "LITTLE"}
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(0.1, rate_hz=8_000), **fields)
    data = buffer.getvalue()
    buffer.seek(0)
    expected, _ = soundfile.read(buffer, dtype="float32", channels=1, **fields)
    decoder = PcmDecoder(encoding, 8_000)
    chunks = [decoder.decode(data[start : start + chunk_bytes]) for start in range(0, len(data), chunk_bytes)]
    assert chunks[0].dtype == np.float32
    # libsndfile and FFmpeg both implement G.711 exactly; floats differ in rounding only.
    np.testing.assert_allclose(np.concatenate(chunks), expected, atol=1e-6)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_every_byte_of_g711(encoding: Encoding) -> None:
    data = bytes(range(256))
    fields = {"samplerate": 8_000, "channels": 1, "format": "RAW", "subtype": SUBTYPES[encoding]}
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", **fields)
    np.testing.assert_allclose(PcmDecoder(encoding, 8_000).decode(data), expected, atol=1e-6)


def test_floats_are_clipped_and_finite() -> None:
    decoder = PcmDecoder("pcm_f32le", 8_000)
    assert decoder.decode(np.array([-3e38, 0.5, 2.0], "<f4").tobytes()).tolist() == [-1.0, 0.5, 1.0]
    with pytest.raises(NonFiniteAudioError) as refused:
        decoder.decode(np.array([0.0, np.inf], "<f4").tobytes())
    assert refused.value.at_s == 4 / 8_000
