"""OpenAI's form of a recording with several utterances: the texts between them, numbers and ids."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest

from alignment.audio import Waveform
from alignment.transcripts.utterances import group_words
from alignment.transcripts.words import TimedWord, Transcript
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.exports.answers import read_srt, read_vtt
from tests.service.openai.test_openai_package import connect, transcribe
from tests.service.serving import run_server

FILE = ("speech.wav", encode(noise(6.0)))
CALL = ("call.wav", encode(np.stack([noise(3.0), noise(3.0, seed=1)], axis=1)))
TEXTS = ["Well.", "the children", "are here."]
WORDS = [("Well.", 0.5), ("the", 2.0), ("children", 2.2), ("are", 4.5), ("here.", 4.7)]
WHOLE = "Well. the children are here."


class PausingAligner(FakeAligner):
    """Aligner that recognises three utterances with pauses between them."""

    def align(self, waveform: Waveform, text: str, language: str | None = None) -> Transcript:
        """Ignore the text."""
        words = [TimedWord(word, start_s, start_s + 0.2, "aligned", 0.5) for word, start_s in WORDS]
        return Transcript(group_words(words, waveform.duration_s), self.info)


@pytest.fixture
def client(settings: Settings) -> Iterator[openai.OpenAI]:
    with run_server(settings, PausingAligner()) as server, connect(server) as client:
        yield client


def test_deltas_are_the_text_with_a_space_between_utterances(client: openai.OpenAI) -> None:
    *deltas, done = transcribe(client, file=FILE, stream=True)
    assert [event.type for event in deltas] == ["transcript.text.delta"] * 3
    assert [event.delta for event in deltas] == ["Well.", " the children", " are here."]
    assert "".join(event.delta for event in deltas) == done.text == WHOLE
    assert [event.segment_id for event in deltas] == ["seg_0", "seg_1", "seg_2"]
    starts = [event.start for event in deltas]
    assert starts == sorted(set(starts))


def test_segments_are_numbered_and_words_are_in_order(client: openai.OpenAI) -> None:
    answer = transcribe(client, file=FILE, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert answer.text == WHOLE
    segments: list[Any] = answer.segments
    assert [(each.id, each.text) for each in segments] == [(n, f" {text}") for n, text in enumerate(TEXTS)]
    assert all(one.end <= other.start for one, other in zip(segments, segments[1:], strict=False))
    assert [(word.word, word.start) for word in answer.words] == WORDS
    by_word = {word.word: word.model_extra["probabilities"] for word in answer.words}
    assert by_word["are"] == segments[2].model_extra["probabilities"]


def test_texts_and_subtitles(client: openai.OpenAI) -> None:
    assert transcribe(client, file=FILE).text == WHOLE
    assert transcribe(client, file=FILE, response_format="text") == f"{WHOLE}\n"
    for cues in (
        read_srt(transcribe(client, file=FILE, response_format="srt").encode()),
        read_vtt(transcribe(client, file=FILE, response_format="vtt")),
    ):
        assert [cue.text for cue in cues] == TEXTS


def test_ids_of_a_diarized_stream_are_those_of_its_segments(settings: Settings, aligner: FakeAligner) -> None:
    fields = {"file": CALL, "response_format": "diarized_json", "extra_body": {"speakers": "channels"}}
    with run_server(settings, aligner) as server, connect(server) as client:
        whole = transcribe(client, **fields)
        events = list(transcribe(client, **fields, stream=True))
    assert [(each.id, each.speaker) for each in whole.segments] == [("seg_0", "channel 1"), ("seg_1", "channel 2")]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    segments = [event for event in events if event.type == "transcript.text.segment"]
    assert [event.segment_id for event in deltas] == [event.id for event in segments] == ["seg_0", "seg_1"]
    assert sorted(event.speaker for event in segments) == ["channel 1", "channel 2"]
    assert "".join(event.delta for event in deltas) == events[-1].text == whole.text == "the children the children"
