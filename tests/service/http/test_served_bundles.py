"""Several bundles as an operator serves them: by name, of different front ends, with one decoding for all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from alignment.aligners.moonshine.aligner import MoonshineAligner
from model.bundle import Bundle
from service.inference import engine
from service.settings import Settings, load_settings
from tests.builders import encode, noise, speech, write_tiny_bundle
from tests.fakes import FakeAligner
from tests.service.serving import run_app, words_of

WORDS = json.dumps([{"word": "the", "start": 0.5, "end": 0.9}, {"word": "garden", "start": 2.0, "end": 2.4}])


@pytest.mark.parametrize("fields", [{}, {"words": WORDS}, {"speakers": "channels"}])
def test_recording_is_decoded_once_for_several_bundles(
    settings: Settings,
    aligner: FakeAligner,
    tiny_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, str],
) -> None:
    second = write_tiny_bundle(tmp_path / "second", seed=7)
    decoded = []
    for name in ("decode_audio", "decode_channels"):
        original = getattr(engine, name)

        def count(data: Any, *limits: Any, decode: Any = original, **options: Any) -> Any:
            decoded.append(decode)
            return decode(data, *limits, **options)

        monkeypatch.setattr(engine, name, count)
    both = settings.model_copy(update={"bundles": (str(tiny_bundle.folder), str(second))})
    data = encode(noise(6.0).reshape(-1, 2))
    with run_app(both, aligner) as client:
        for bundles in ("tiny", "tiny,second"):
            decoded.clear()
            response = client.post("/predict", files={"file": data}, data={"bundle": bundles, **fields})
            assert response.status_code == 200, response.text
            assert len(response.json().get("others", [])) == bundles.count(",")
            assert len(decoded) == 1


class TestShippedNames:
    """`CAN_BUNDLES=starter,starter-mfcc`: one has features of the encoder, the other MFCC alone."""

    @pytest.fixture
    def client(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
        monkeypatch.setenv("CAN_BUNDLES", "starter,starter-mfcc")
        loaded = load_settings().model_copy(update={"jobs": settings.jobs})
        with run_app(loaded, MoonshineAligner(1)) as client:
            yield client

    def predict(self, client: TestClient, bundle: str) -> Any:
        response = client.post("/predict", files={"file": speech("numbers")}, data={"bundle": bundle})
        assert response.status_code == 200, response.text
        return response.json()

    @pytest.mark.slow
    def test_bundles_of_different_front_ends_share_the_words(self, client: TestClient) -> None:
        served = client.get("/model").json()["bundles"]
        assert [(each["name"], each["front_end"]) for each in served] == [("starter", "both"), ("starter-mfcc", "mfcc")]
        for names in (["starter", "starter-mfcc"], ["starter-mfcc", "starter"]):
            result = self.predict(client, ",".join(names))
            [other] = result["others"]
            for each, name in zip((result, other), names, strict=True):
                alone = self.predict(client, name)
                assert (each["model"]["name"], each["emotion"]) == (name, alone["emotion"])
                # The words, which are found at the level of the first bundle, may differ by some milliseconds.
                assert each["probabilities"] == pytest.approx(alone["probabilities"], abs=0.05)
            assert [word["word"] for word in words_of(result)] == [word["word"] for word in words_of(other)]
            assert "forty-two" in [word["word"] for word in words_of(other)]
        assert self.predict(client, "starter")["probabilities"] != self.predict(client, "starter-mfcc")["probabilities"]
