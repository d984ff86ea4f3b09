"""The tables of bounds in docs/operations.md state the limits of the code."""

import os
import re
from functools import cache
from typing import Final

import pytest
import uvicorn
from uvicorn.server import ServerState

from alignment import (
    audio,
    channels,
    ffmpeg,
    flac_frames,
    joined_files,
    mono,
    sample_blocks,
    sample_chunks,
    search_budget,
    survey,
)
from alignment.speech import windows
from alignment.transcripts import words
from can_ser_client.retries import RetryPolicy
from model import bundle, bundle_files
from model.bundle import Bundle
from service import setting_groups
from service.agents import server, tools
from service.exports import answers
from service.http import (
    bodies,
    connection_limit,
    http_protocol,
    lifecycle,
    live_session,
    sending,
    turns,
    warning_header,
    websocket_protocol,
)
from service.http.routes import twilio
from service.inference import decoding, monitored_aligner, request
from service.inference.engine import EmotionEngine
from service.inference.scheduler import Scheduler
from service.jobs import analysis, callback_address, callback_post, callbacks, job
from service.results import problems
from service.settings import PREFIX, Settings, variable_names
from tests.builders import ROOT
from tests.fakes import FakeAligner

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
VARIABLE = re.compile(rf"`({PREFIX}\w+)`")
CODE = re.compile(r"\d{3} `([a-z-]+)`|`(live-[a-z]+|bad-frame|deadline)`")
_CONFIG: Final = uvicorn.Config("service.app:create_app", ws="none", log_config=None)
OTHER_SETTINGS: Final = {
    "`/tmp` of a container, which is in memory": "test_other_constants",
    "attempts of a client": "test_other_constants",
    "wait of a client before a retry": "test_other_constants",
}
"""Rows whose setting is no variable of the service, and the test that compares them."""
CONSTANTS: Final[dict[str, tuple[float, ...]]] = {
    "request head": (http_protocol.MAX_HEAD_BYTES,),
    "bytes of pipelined requests that are parsed at once": (http_protocol.PIECE_BYTES,),
    "bytes behind a request that are read": (http_protocol.MAX_PIPELINE_BYTES, http_protocol.PIPELINE_S),
    "handshakes of WebSockets": (turns.handshake_turns().per_s,),
    "pipelined requests of all connections": (turns.pipelined_turns().per_s,),
    "parts of a form": (bodies._MAX_FIELDS, bodies._MAX_FILES),
    "a field of a form": (bodies._MAX_TEXT_BYTES,),
    "body of `/export`": (answers.MAX_ANSWER_BYTES, answers._MAX_CONTAINERS, answers._MAX_VALUES),
    "exports of responses and of results of jobs at once": (lifecycle._EXPORTS,),
    "time of sending an export": (sending.LIMIT_S,),
    "joined files in one recording": (joined_files.MAX_FILES,),
    "audio tracks of a container": (ffmpeg._MAX_TRACKS,),
    "chunks, headers, boxes, pages and frames": (
        sample_chunks._MAX_CHUNKS,
        joined_files._MAX_HEADERS,
        joined_files._MAX_BOXES,
        search_budget.MAX_PAGES,
        search_budget.MAX_SEGMENTS,
        search_budget.MAX_FRAMES,
        search_budget.MAX_GAPS,
        search_budget.MAX_GAP_BYTES / 2**20,
        flac_frames._SEARCHED_BYTES,
    ),
    "names of bundles in one request": (request._MAX_BUNDLES_LENGTH,),
    "time of a closing handshake": (websocket_protocol.BoundedWebSocket(_CONFIG, ServerState(), {}).close_timeout,),
    "silence in place of missing audio": (twilio._JITTER_S,),
    "aligner that fails": (monitored_aligner._FAILURES, monitored_aligner.PROBE_EVERY_S),
    "header `X-Can-Warnings`": (warning_header.MAX_BYTES,),
    "shortest audio": (audio.MIN_DURATION_S,),
    "sample rate": sample_blocks.SAMPLE_RATE_BOUNDS_HZ,
    "channels": (survey.CHANNEL_BOUNDS[1], *channels._SPEAKER_BOUNDS),
    "rate × channels × seconds": (mono.MAX_DENSITY_HZ, mono.MAX_DENSE_SAMPLES),
    "decoding of a recording among the small ones": (
        decoding.QUICK_CPU_S,
        decoding.BUSY_CPU_S,
        decoding.QUICK_AUDIO_S,
        decoding.QUICK_SAMPLES,
    ),
    "words of a recording": (words._ALWAYS_ALLOWED_WORDS, words._MAX_WORDS_PER_S),
    "a given word": (words.MAX_WORD_S, 200),
    "language, aligner": (request.MAX_NAME_LENGTH,),
    "a window of a job": (windows.WINDOW_S, windows.WINDOW_S, windows._MAX_SILENCE_S),
    "name of a job's file": (job.MAX_NAME,),
    "jobs of a page": (job.MAX_PAGE,),
    "deaths of the process in one window of a job": (analysis.MAX_ATTEMPTS,),
    "address of a callback": (callback_address._MAX_LENGTH,),
    "bytes of a response to a callback": (callback_post.MAX_HEAD_BYTES,),
    "callbacks sent at once": (callbacks.MAX_AT_ONCE, callback_post._RESOLVERS),
    "utterances whose results wait": (live_session._MAX_PENDING,),
    "frames without content": (websocket_protocol.MAX_IDLE_FRAMES, websocket_protocol.IDLE_FRAMES_PER_S),
    "messages of a connection with less": (live_session.SMALL_MESSAGES, live_session.SMALL_MESSAGES_PER_S),
    "messages of all connections with less": (live_session.ALL_SMALL_PER_S, live_session.ALL_SMALL_PER_S),
    "messages of a connection with at least": (live_session.DETECTIONS, live_session.DETECTIONS),
    "further connections where none waits": (connection_limit.RESERVED,),
    "descriptors that are left": (connection_limit.RESERVED + connection_limit._LAST_DESCRIPTORS,),
    "messages without audio": (websocket_protocol.MAX_IDLE_FRAMES, websocket_protocol.IDLE_FRAMES_PER_S),
    "time of a connection of `/stream/twilio`": (twilio._START_S,),
    "frames after the service has closed the connection": (websocket_protocol.MAX_FRAMES_AFTER_CLOSE,),
    "seconds of a setting for waiting or processing": (setting_groups.DAY_S,),
    "calls of `can-ser mcp`": (tools.MAX_WAITING,),
    "sessions of `can-ser mcp": (server.MAX_SESSIONS,),
    "recordings that `list_recordings`": (tools.MAX_LISTED,),
    "text files of a bundle": (bundle_files.MAX_TEXT_BYTES / 2**20,),
    "features of a bundle": (bundle._MAX_FFT, bundle._MAX_MELS, bundle._MIN_HOP_SAMPLES),
}
"""Values of the rows that name no setting, by the start of their first cell."""
OTHER: Final[dict[str, str]] = {
    "containers and codecs": "a list, which tests of the decoders compare with files of each container",
    "threads that search live audio for speech": "a number of cores; tests/service/http/test_floods.py floods them",
    "large recordings decoded at once": "a number of cores, which tests/service/inference/test_large_recordings.py has",
    "decoded large recordings held": "a number of cores, which `test_decoded_large_recordings_are_bounded` compares",
}
"""Rows without a number that could be compared, with the reason."""
NO_BOUND = {"port", "threads", "scorers", "pocketsphinx__workers", "uncertain_below"}
"""Numeric settings that bound nothing that a client sends or holds."""


@cache
def rows() -> tuple[tuple[str, str, str, str], ...]:
    """Cells of all tables of the section."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.split("\n## Bounds\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| what")]
    cells = [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in lines]
    return tuple((what, setting, default, beyond) for what, setting, default, beyond in cells)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers outside of quoted names."""
    return tuple(float(each.replace(",", "")) for each in NUMBER.findall(re.sub(r"`[^`]*`", "", text)))


def default_of(variable: str) -> object:
    """Default of a setting."""
    value: object = Settings()
    for name in variable.removeprefix(PREFIX).lower().split("__"):
        value = getattr(value, name)
    return value


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:50])
def test_row_states_the_default_or_the_constant(row: tuple[str, str, str, str]) -> None:
    what, setting, default, _ = row
    variables = VARIABLE.findall(setting)
    if variables:
        assert len(variables) == 1
        value = default_of(variables[0])
        assert default == "none" if value is None else numbers(default)[0] == value
    elif setting == "constant":
        constants = [value for start, value in CONSTANTS.items() if what.startswith(start)]
        assert constants or any(what.startswith(start) for start in OTHER), f"no constant is compared with {what!r}"
        assert all(numbers(default)[: len(each)] == each for each in constants)
    else:
        assert what in OTHER_SETTINGS


def test_every_constant_has_a_row() -> None:
    starts = [what for what, _, _, _ in rows()]
    assert [
        each for each in (*CONSTANTS, *OTHER, *OTHER_SETTINGS) if not any(what.startswith(each) for what in starts)
    ] == []


def test_decoded_large_recordings_are_bounded(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Bundle) -> None:
    [default] = [default for what, _, default, _ in rows() if what.startswith("decoded large recordings held")]
    assert default.startswith("one per core")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    settings = Settings(bundle=str(tiny_bundle.folder))
    scheduler = Scheduler(EmotionEngine(settings, aligner=FakeAligner()), settings)
    assert scheduler._large._value == 7
    assert scheduler._executor._pools["large"]._max_workers == 7 // 2
    scheduler.close()


def test_other_constants() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert "size=${TMP_SIZE:-2g}" in compose
    table = {what: default for what, _, default, _ in rows()}
    [size] = [default for what, default in table.items() if what.startswith("`/tmp` of a container")]
    assert size == "2 GB"
    assert numbers(table["open connections"]) == (Settings().max_connections,)
    assert numbers(table["attempts of a client"]) == (RetryPolicy().attempts,)
    assert numbers(table["wait of a client before a retry"]) == (RetryPolicy().longest_wait_s,)


def test_every_bounding_setting_has_a_row() -> None:
    listed = {name for _, setting, _, _ in rows() for name in VARIABLE.findall(setting)}
    numeric = {
        name for name in variable_names() if isinstance(default_of(name), int | float) and _is_bound(name)
    } - listed
    assert numeric == set()


def _is_bound(variable: str) -> bool:
    name = variable.removeprefix(PREFIX).lower()
    return name not in NO_BOUND and not name.startswith("whisperx__") and not isinstance(default_of(variable), bool)


def test_every_code_is_a_problem_code() -> None:
    codes = {a or b for _, _, _, beyond in rows() for a, b in CODE.findall(beyond)}
    assert len(codes) > 15
    assert codes <= {code for _, _, code, _ in problems._TABLE}
