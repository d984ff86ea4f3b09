import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile

from can_ser_client.schemas import COLUMNS
from model.bundle import Bundle
from service import EmotionRecogniser
from service.errors import ConflictingFieldsError, SettingsError
from tests.builders import SPEECH, encode, noise, speech, spoken_words

WORDS = [("the", 0.5, 0.9), ("zumba", 0.9, 1.4)]


@pytest.fixture(scope="module")
def recogniser(tiny_bundle: Bundle) -> Iterator[EmotionRecogniser]:
    with EmotionRecogniser(bundle=tiny_bundle.folder, aligner="moonshine") as recogniser:
        yield recogniser


def test_path_bytes_and_samples_give_equal_results(recogniser: EmotionRecogniser) -> None:
    text = " ".join(word["word"] for word in spoken_words("numbers"))
    by_path = recogniser.recognise(SPEECH / "numbers.flac", transcript=text)
    by_bytes = recogniser.recognise(speech("numbers"), transcript=text)
    assert by_path.probabilities == by_bytes.probabilities
    assert [word.word for utterance in by_path.utterances for word in utterance.words] == text.split()
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", dtype="float32")
    from_memory = recogniser.recognise_samples(np.stack([samples, samples], axis=1), rate_hz, transcript=text)
    assert from_memory.probabilities == by_path.probabilities
    assert (from_memory.audio.channels, from_memory.audio.duration_s) == (2, by_path.audio.duration_s)


def test_result_as_dataframe(recogniser: EmotionRecogniser) -> None:
    result = recogniser.recognise(encode(noise(3.0)), words=WORDS, explain="full")
    table = result.to_dataframe("a.wav")
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert list(table["word"]) == ["the", "zumba"]
    [utterance] = result.utterances
    contributions = table["text_contribution"].sum() + table["audio_contribution"].sum()
    bias = utterance.bias
    assert isinstance(bias, dict)
    log_p = np.log(list(utterance.probabilities.values()))
    centred = dict(zip(utterance.probabilities, log_p - log_p.mean(), strict=True))
    assert contributions + bias[utterance.emotion] == pytest.approx(centred[utterance.emotion], abs=1e-5)


def test_occlusion_and_uncertainty(recogniser: EmotionRecogniser) -> None:
    result = recogniser.recognise(encode(noise(3.0)), words=WORDS, explain="occlusion")
    assert result.uncertain is (result.confidence < 0.5)
    known, unknown = result.utterances[0].words
    assert known.effect is not None
    assert unknown.effect is not None
    # "zumba" is the unknown word already.
    assert known.effect.text != 0
    assert unknown.effect.text == pytest.approx(0, abs=1e-6)
    assert list(result.to_dataframe()["uncertain"]) == [result.uncertain] * 2


def test_two_speakers_on_two_channels(recogniser: EmotionRecogniser) -> None:
    samples, rate_hz = soundfile.read(SPEECH / "numbers.flac", frames=32_000, dtype="float32")
    call = np.stack([samples, np.roll(samples, 4_000)], axis=1)
    result = recogniser.recognise(encode(call, rate_hz), speakers="channels")
    speakers = [speaker.speaker for speaker in result.speakers]
    assert speakers == ["channel 1", "channel 2"]
    assert set(result.to_dataframe()["speaker"]) == set(speakers)


def test_invalid_arguments_are_refused(recogniser: EmotionRecogniser) -> None:
    with pytest.raises(ConflictingFieldsError):
        recogniser.recognise(speech("numbers"), transcript="a", words=WORDS)
    with pytest.raises(SettingsError):
        EmotionRecogniser(aligner="none")


def test_package_import_loads_no_submodule() -> None:
    code = "import json, sys, service; print(json.dumps([m for m in sys.modules if m.startswith('service.')]))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert json.loads(printed) == []
