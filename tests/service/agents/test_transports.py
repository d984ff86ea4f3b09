"""can-ser mcp over standard input, HTTP and a running service."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from typer.testing import CliRunner

from model.bundle import Bundle
from service.agents.folders import RecordingFolders
from service.agents.schemas import ListedBundle
from service.agents.server import make_server
from service.agents.tools import Tools
from service.http.middleware.authentication import make_key
from service.settings import Settings
from tests.builders import ROOT, SPEECH
from tests.fakes import FakeAligner
from tests.service.agents.calls import TOOLS, call, fail, use
from tests.service.jobs.receiver import free_port
from tests.service.serving import run_server
from tests.waiting import wait_until


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
            compressed = httpx.post(
                url, content=gzip.compress(json.dumps(message).encode()), headers={"Content-Encoding": "gzip"}
            )
            assert (compressed.status_code, compressed.json()["code"]) == (415, "encoded-body")
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


def test_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from service.cli.app import app

    monkeypatch.setenv("CAN_LOG_LEVEL", "loud")
    done = CliRunner().invoke(app, ["mcp", "--folder", str(tmp_path), "--url", "http://127.0.0.1:1"])
    assert (done.exit_code, "CAN_LOG_LEVEL='loud'" in done.stderr) == (2, True)


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
