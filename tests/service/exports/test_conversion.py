"""Large responses are converted in processes of their own."""

import asyncio
import os
from pathlib import Path

import pytest

from can_ser_client.schemas import PredictOut
from service.errors import InvalidAnswerError, NotReadyError
from service.exports import conversion
from service.exports.answers import read_answer, read_stored
from service.exports.conversion import Conversion, Converter
from service.exports.formats import ExportRequest, write_export
from tests.service.exports.answers import make_answer, make_utterance, say

EXPORT = ExportRequest("words-csv")


@pytest.fixture
def answer() -> PredictOut:
    return make_answer(make_utterance(say("hello again")))


def read_and_note(data: bytes) -> PredictOut:
    """Note the process in the file that the warnings name."""
    response = read_stored(data)
    Path(response.warnings[0]).write_text(str(os.getpid()))
    return response


def read_and_exit(data: bytes) -> PredictOut:
    """End the process, unless it is that of the tests."""
    response = read_stored(data)
    if str(os.getpid()) != response.warnings[0]:
        os._exit(1)
    return response


def convert(converter: Converter, answer: PredictOut, read: conversion.Read) -> conversion.WrittenFile:
    data = answer.model_dump_json().encode()
    return asyncio.run(converter.convert(Conversion(data, read, EXPORT, "a.wav")))


@pytest.mark.parametrize("is_large", [False, True])
def test_only_large_responses_have_a_process(
    answer: PredictOut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    note = tmp_path / "process"
    monkeypatch.setattr(conversion, "LARGE_BYTES", 100 if is_large else 100_000)
    answer.warnings = [str(note)]
    file = convert(Converter(), answer, read_and_note)
    assert (file.content, file.warnings) == (write_export(answer, EXPORT, "a.wav"), answer.warnings)
    assert (note.read_text() != str(os.getpid())) is is_large


def test_file_of_a_dead_process_is_written_in_a_thread(answer: PredictOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "LARGE_BYTES", 100)
    answer.warnings = [str(os.getpid())]
    assert convert(Converter(), answer, read_and_exit).content == write_export(answer, EXPORT, "a.wav")


def test_invalid_response_is_named_as_in_a_thread(answer: PredictOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "LARGE_BYTES", 100)
    answer.utterances[0].emotion = "unknown"
    with pytest.raises(InvalidAnswerError, match=r"utterances\.0\.emotion is not one of"):
        convert(Converter(), answer, read_answer)


def test_closed_converter_starts_no_process(answer: PredictOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "LARGE_BYTES", 100)
    converter = Converter()
    converter.close()
    with pytest.raises(NotReadyError):
        convert(converter, answer, read_stored)
