"""The MCP server, with the client of the package mcp: in memory, over standard input and output, over HTTP."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from typer.testing import CliRunner

from can_ser_client.schemas import PredictOut
from model.bundle import Bundle
from service.agents.analysis import LocalAnalyser
from service.agents.folders import RecordingFolders
from service.agents.schemas import ListedBundle
from service.agents.server import make_server
from service.agents.tools import MAX_WAITING, Tools
from service.http.middleware.authentication import make_key
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.results.serialisation import to_response
from service.settings import Settings
from tests.builders import ROOT, SPEECH, encode, noise
from tests.fakes import FakeAligner
from tests.service.jobs.receiver import free_port
from tests.service.serving import run_server
from tests.waiting import wait_until

TOOLS = ["analyse_recording", "explain_utterance", "list_bundles", "list_recordings"]


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
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "recordings"
    inside.mkdir()
    (inside / "a.wav").write_bytes(encode(noise(2.0)))
    (inside / "text.wav").write_text("no sound")
    return inside


@pytest.fixture
def analyser(settings: Settings, aligner: FakeAligner) -> FakeAnalyser:
    return FakeAnalyser(settings, aligner)


@pytest.fixture
def tools(analyser: FakeAnalyser, folder: Path) -> Iterator[Tools]:
    tools = Tools(analyser, RecordingFolders([folder]))
    yield tools
    tools.close()


def use(server: Any, work: Callable[[Client], Awaitable[None]]) -> None:
    """Run `work` with a client of a server, an address or a transport."""

    async def connect() -> None:
        async with Client(server) as client:
            await work(client)

    asyncio.run(connect())


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    """Structured content of a successful call."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def fail(client: Client, tool: str, **arguments: Any) -> str:
    """Message of a failed call."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


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


def test_lists(tools: Tools, folder: Path) -> None:
    async def check(client: Client) -> None:
        listed = await call(client, "list_recordings")
        assert listed["folders"] == [str(folder.resolve())]
        assert [Path(path).name for path in listed["recordings"]] == ["a.wav", "text.wav"]
        assert listed["complete"]
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


def environment(bundle: Bundle) -> dict[str, str]:
    return os.environ | {"CAN_BUNDLE": str(bundle.folder), "CAN_POCKETSPHINX__WORKERS": "1"}


@pytest.mark.slow
def test_standard_input_and_output(tiny_bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    """Nothing but messages on standard output; logs on standard error; the process ends with its client."""
    shutil.copy(SPEECH / "numbers.flac", folder)
    arguments = ["-m", "service.cli.app", "mcp", "--folder", str(folder)]
    parameters = StdioServerParameters(
        command=sys.executable, args=arguments, env=environment(tiny_bundle), cwd=str(ROOT)
    )

    async def check(client: Client) -> None:
        found = await call(client, "analyse_recording", path="numbers.flac")
        assert "old book" in found["utterances"][0]["text"]
        again = await call(client, "explain_utterance", path="numbers.flac", utterance=1)
        assert again["words"][0]["word"] == "She"
        assert "outside" in await fail(client, "analyse_recording", path="/etc/passwd")

    with (tmp_path / "stderr").open("w+") as errors:
        use(stdio_client(parameters, errlog=errors), check)
        errors.seek(0)
        assert "Traceback" not in errors.read()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_while_it_waits_for_input(tiny_bundle: Bundle, folder: Path, number: int) -> None:
    command = [sys.executable, "-m", "service.cli.app", "mcp", "--folder", str(folder)]
    message = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(tiny_bundle), stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message)
        process.stdin.flush()
        assert '"id":1' in process.stdout.readline().replace(" ", "")
        process.send_signal(number)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_http_on_the_loopback_interface(tiny_bundle: Bundle, folder: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "service.cli.app", "mcp", "--folder", str(folder), "--http", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/mcp"
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}

    def is_listening() -> bool:
        try:
            httpx.get(url)
        except httpx.TransportError:
            return False
        return True

    async def check(client: Client) -> None:
        listed = await call(client, "list_recordings")
        assert [Path(path).name for path in listed["recordings"]] == ["a.wav", "text.wav"]
        assert sorted(tool.name for tool in (await client.list_tools()).tools) == TOOLS

    with subprocess.Popen(
        command, cwd=ROOT, env=environment(tiny_bundle), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until(is_listening, 120)
            use(url, check)
            for headers in ({"Origin": "https://example.org"}, {"Host": f"rebinding.example.org:{port}"}):
                refused = httpx.post(
                    url, json=message, headers=headers | {"Accept": "application/json, text/event-stream"}
                )
                assert refused.status_code in {403, 421}, (headers, refused.status_code)
            second = subprocess.run(
                command, cwd=ROOT, env=environment(tiny_bundle), capture_output=True, text=True, check=False
            )
            assert second.returncode == 2
            assert "address already in use" in second.stderr
        finally:
            process.terminate()
            output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, "")
    assert "Traceback" not in errors


def test_forwards_to_a_running_service(settings: Settings, aligner: FakeAligner, folder: Path) -> None:
    from service.agents.remote import RemoteAnalyser

    key, digest = make_key()
    with run_server(settings.model_copy(update={"api_keys": (digest,)}), aligner) as server:
        for given, refused in ((key, False), ("wrong", True)):
            tools = Tools(RemoteAnalyser(server.url, given), RecordingFolders([folder]))

            async def check(client: Client, refused: bool = refused) -> None:
                if refused:
                    assert "wrong-key" in await fail(client, "analyse_recording", path="a.wav")
                    return
                found = await call(client, "analyse_recording", path="a.wav")
                assert found["utterances"][0]["text"] == "the children"
                [bundle] = (await call(client, "list_bundles"))["bundles"]
                assert ListedBundle(**bundle).served

            try:
                use(make_server(tools), check)
            finally:
                tools.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folder", "missing"], "--folder missing is not an existing folder"),
        (["--folder", ".", "--url", "http://127.0.0.1:1", "--bundle", "starter"], "exclude each other"),
        (["--folder", ".", "--bundle", "missing"], "missing"),
    ],
)
def test_command_that_cannot_start(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    from service.cli.app import app

    assert CliRunner().invoke(app, ["mcp", *options]).exit_code == 2
    assert threading.active_count() < 50


def test_configurations_of_the_document_start_the_command() -> None:
    """Every JSON block is valid, and its arguments are options of the command."""
    from service.cli.app import app

    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    servers = [block.get("mcpServers") or block["servers"] for block in blocks]
    commands = [server["can-ser"]["args"] for server in servers if "args" in server["can-ser"]]
    assert (len(servers), len(commands)) == (3, 2)
    for arguments in commands:
        assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0
