"""The MCP server, with the client of the package mcp: in memory, over standard input and output, over HTTP."""

import asyncio
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from can_ser_client.schemas import PredictOut
from service.agents.analysis import LocalAnalyser
from service.agents.folders import RecordingFolders
from service.agents.server import make_server
from service.agents.tools import MAX_WAITING, Tools
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.agents.calls import TOOLS, call, fail, use


class FakeAnalyser(LocalAnalyser):
    """Models with the fake aligner.

    Attributes:
        calls: Number of analyses.
    """

    def __init__(self, settings: Settings, aligner: FakeAligner) -> None:
        self._engine = EmotionEngine(settings, aligner=aligner)
        self.calls = 0

    def analyse(self, path: Path, fields: dict[str, Any]) -> PredictOut:
        """Count the call."""
        self.calls += 1
        return super().analyse(path, fields)


@pytest.fixture
def analyser(settings: Settings, aligner: FakeAligner) -> FakeAnalyser:
    return FakeAnalyser(settings, aligner)


@pytest.fixture
def tools(analyser: FakeAnalyser, folder: Path) -> Iterator[Tools]:
    tools = Tools(analyser, RecordingFolders([folder]))
    yield tools
    tools.close()


def test_tools_are_described(tools: Tools) -> None:
    async def check(client: Client) -> None:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert sorted(listed) == TOOLS
        for tool in listed.values():
            assert tool.description
            assert tool.output_schema is not None
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            for argument in tool.input_schema["properties"].values():
                assert argument["description"]

    use(make_server(tools), check)


def test_recording_is_analysed_and_explained(tools: Tools, analyser: FakeAnalyser, folder: Path) -> None:
    response = to_response(analyser._engine.analyse(folder / "a.wav", AnalysisRequest()), analyser._engine)

    async def check(client: Client) -> None:
        found = await call(client, "analyse_recording", path="a.wav")
        assert (found["path"], found["duration_s"], found["emotion"]) == ("a.wav", 2.0, response.emotion)
        assert found["probabilities"] == pytest.approx(response.probabilities)
        [utterance] = found["utterances"]
        assert (utterance["number"], utterance["text"]) == (1, "the children")
        explained = await call(client, "explain_utterance", path=str(folder / "a.wav"), utterance=1)
        assert explained["emotion"] == utterance["emotion"]
        assert [word["word"] for word in explained["words"]] == ["the", "children"]
        word = response.utterances[0].words[0]
        assert explained["words"][0]["text_contribution"] == pytest.approx(word.contribution_to("")[0])
        assert explained["words"][0]["text_effect"] is None
        assert re.search(r"From the words alone: \w+ \(0\.\d\d\)\.", explained["summary"])
        assert analyser.calls == 1
        effects = await call(client, "explain_utterance", path="a.wav", utterance=1, effects=True)
        assert all(isinstance(word["audio_effect"], float) for word in effects["words"])
        given = await call(client, "analyse_recording", path="a.wav", transcript="it was good")
        assert given["utterances"][0]["text"] == "it was good"
        assert analyser.calls == 3

    use(make_server(tools), check)


def test_changed_file_is_analysed_again(tools: Tools, analyser: FakeAnalyser, folder: Path) -> None:
    async def check(client: Client) -> None:
        await call(client, "analyse_recording", path="a.wav")
        (folder / "a.wav").write_bytes(encode(noise(3.0)))
        assert (await call(client, "analyse_recording", path="a.wav"))["duration_s"] == 3.0
        for index in range(10):
            await call(client, "analyse_recording", path="a.wav", transcript=f"good {index * 'very '}")
        assert len(tools._results) <= 8

    use(make_server(tools), check)


def test_errors_state_what_to_do(tools: Tools, folder: Path) -> None:
    async def check(client: Client) -> None:
        outside = await fail(client, "analyse_recording", path="/etc/passwd")
        assert "--folder" in outside
        assert str(folder) in outside
        assert "list_recordings" in await fail(client, "analyse_recording", path="missing.wav")
        assert "send wav, flac" in await fail(client, "analyse_recording", path="text.wav")
        assert "served" in await fail(client, "analyse_recording", path="a.wav", bundle="unknown")
        both = {"transcript": "the", "speakers": "channels"}
        assert "exclude each other" in await fail(client, "analyse_recording", path="a.wav", **both)
        assert "it has 1" in (await fail(client, "explain_utterance", path="a.wav", utterance=7)).replace(
            "the recording has", "it has"
        )
        assert "utterance" in await fail(client, "explain_utterance", path="a.wav", utterance=0)

    use(make_server(tools), check)


def test_unexpected_error_reveals_nothing(
    tools: Tools, analyser: FakeAnalyser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def analyse(path: Path, fields: dict[str, Any]) -> PredictOut:
        raise KeyError("a secret")

    monkeypatch.setattr(analyser, "analyse", analyse)

    async def check(client: Client) -> None:
        assert "secret" not in await fail(client, "analyse_recording", path="a.wav")

    use(make_server(tools), check)


def test_folder_that_cannot_be_read_is_left_out(tools: Tools, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason reads as it does on the command line."""
    closed = folder.resolve() / "closed"
    closed.mkdir()
    scan = os.scandir

    def scan_as_another_user(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_as_another_user)

    async def check(client: Client) -> None:
        listed = await call(client, "list_recordings")
        assert listed["left_out"] == [f"{closed}: permission denied"]

    use(make_server(tools), check)


def test_lists(tools: Tools, folder: Path) -> None:
    async def check(client: Client) -> None:
        listed = await call(client, "list_recordings")
        assert listed["folders"] == [str(folder.resolve())]
        assert [Path(path).name for path in listed["recordings"]] == ["a.wav", "text.wav"]
        assert listed["complete"]
        assert listed["left_out"] == []
        bundles = (await call(client, "list_bundles"))["bundles"]
        assert [bundle["served"] for bundle in bundles] == [True, False, False]
        assert {"starter", "starter-mfcc"} <= {bundle["name"] for bundle in bundles}
        assert all(bundle["licence"] and bundle["emotions"] for bundle in bundles)

    use(make_server(tools), check)


def test_waiting_calls_are_bounded(tools: Tools, aligner: FakeAligner) -> None:
    aligner.gate.clear()

    async def check(client: Client) -> None:
        paths = ["a.wav"] * (MAX_WAITING + 4)
        calls = [asyncio.create_task(client.call_tool("analyse_recording", {"path": path})) for path in paths]
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        refused = done.pop().result()
        assert refused.is_error
        assert "16 requests are in progress" in refused.content[0].text  # type: ignore[union-attr]
        aligner.gate.set()
        results = await asyncio.gather(*calls)
        assert sum(not result.is_error for result in results) == MAX_WAITING

    use(make_server(tools), check)
