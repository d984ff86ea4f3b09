"""Archives: rows and result parts."""

import errno
import io
import os
import re
import resource
import subprocess
import sys
from contextlib import ExitStack, nullcontext, redirect_stderr
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

if find_spec("ray") is None:
    pytest.skip("ray is not installed: make install-cluster", allow_module_level=True)

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from can_ser_client.schemas import COLUMNS
from model.bundle import Bundle
from service.bulk.parquet import ResultParts
from service.bulk.schema import UNREADABLE, problem_row, table_schema
from service.bulk.workers import ArchiveWorker
from service.cli.app import app
from service.cli.bulk import BulkOptions, run_bulk
from service.errors import ArchiveError, NoRecordingsError, ResultsError, UnwritableError
from service.inference.engine import EmotionEngine
from service.results.serialisation import to_response
from service.setting_groups import JobSettings
from service.settings import Settings
from service.sources import find_archive, open_recording
from tests.builders import ROOT, SPEECH, encode, noise, speech
from tests.fakes import FakeAligner

SCHEMA = table_schema(["angry", "sad"])


@pytest.fixture
def worker(tiny_bundle: Bundle) -> ArchiveWorker:
    """Worker that recognises "the children" in every recording of at most 100 s."""
    settings = Settings(bundle=str(tiny_bundle.folder), jobs=JobSettings(max_audio_s=100))
    return ArchiveWorker(settings, EmotionEngine(settings, aligner=FakeAligner()))


def rows_of(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def test_row_equals_result(worker: ArchiveWorker, tiny_bundle: Bundle, tmp_path: Path) -> None:
    """The words of a row equal those of `can-ser predict --csv`."""
    data = encode(noise(3.0), 16_000)
    (tmp_path / "a.wav").write_bytes(data)
    row = worker.row(str(tmp_path / "a.wav"))
    engine = EmotionEngine(Settings(bundle=str(tiny_bundle.folder)), aligner=FakeAligner())
    result = to_response(engine.analyse(data), engine)
    assert (row["emotion"], row["text"], row["duration_s"]) == (result.emotion, "the children", 3.0)
    assert {label: row[f"p_{label}"] for label in result.probabilities} == result.probabilities
    words = [word for utterance in row["utterances"] for word in utterance["words"]]
    expected = list(result.word_rows("a.wav"))
    assert (row["confidence"], row["uncertain"]) == (result.confidence, result.uncertain)
    assert (row["words"], row["doubtful_words"]) == (2, 0)
    for stored, each in zip(row["utterances"], result.utterances, strict=True):
        assert (stored["confidence"], stored["uncertain"]) == (each.confidence, each.uncertain)
    for column in COLUMNS[COLUMNS.index("word") :]:
        assert [word[column] for word in words] == [word[column] for word in expected], column
    [table] = worker(pa.table({"file": [str(tmp_path / "a.wav")]}))
    assert table.to_pylist()[0]["utterances"][0]["text_p_angry"] == result.utterances[0].text_probabilities["angry"]


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("bad.wav", b"not audio", "not-audio"),
        ("empty.wav", b"", "empty-file"),
        ("silent.wav", encode(np.zeros(16_000, np.float32)), "silent-audio"),
        ("long.wav", encode(np.tile(noise(1.0, rate_hz=4_000), 101), 4_000), "audio-too-long"),
        ("missing.wav", None, UNREADABLE),
    ],
)
def test_refused_recording_has_row(
    worker: ArchiveWorker, tmp_path: Path, name: str, data: bytes | None, problem: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    row = worker.row(str(tmp_path / name))
    assert row.keys() == {"file", "problem", "message"}
    assert row["problem"] == problem
    assert row["message"]


def test_unexpected_error_has_row(worker: ArchiveWorker, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "a.wav").write_bytes(encode(noise(1.0)))
    monkeypatch.setattr(FakeAligner, "recognise", lambda *_: 1 / 0)
    row = worker.row(str(tmp_path / "a.wav"))
    assert (row["problem"], row["message"]) == ("internal-error", "ZeroDivisionError: division by zero")


def test_archive_in_object_storage() -> None:
    storage = fsspec.filesystem("memory")
    for name in ("/calls/b.WAV", "/calls/deep/a.flac", "/calls/notes.txt"):
        storage.pipe(name, speech("numbers"))
    assert find_archive(["memory://calls"], print) == ["memory:///calls/b.WAV", "memory:///calls/deep/a.flac"]
    assert find_archive(["memory://calls/**/*.flac"], print) == ["memory:///calls/deep/a.flac"]
    assert find_archive(["memory://calls/notes.txt"], print) == ["memory:///calls/notes.txt"]
    with open_recording("memory:///calls/deep/a.flac") as path:
        assert path.read_bytes() == speech("numbers")
        assert path.suffix == ".flac"
    assert not path.exists()
    with pytest.raises(NoRecordingsError):
        find_archive(["memory://calls/missing"], print)
    with pytest.raises(ArchiveError, match="unknown"):
        find_archive(["unknown://calls"], print)


def test_name_that_is_not_utf_8_has_row(worker: ArchiveWorker, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9%.wav")
    path.write_bytes(encode(noise(1.0)))
    (tmp_path / "b%41.wav").write_bytes(encode(noise(1.0)))
    names = find_archive([str(tmp_path)], print)
    assert names == [str(tmp_path / "b%41.wav"), f"{tmp_path.as_uri()}/caf%E9%25.wav"]
    assert find_archive([f"file://{tmp_path}"], print) == [f"file://{tmp_path}/b%41.wav", names[1]]
    [*tables] = worker(pa.table({"file": [*names, f"file://{tmp_path}/b%41.wav"]}))
    rows = pa.concat_tables(tables).to_pylist()
    assert [row["problem"] for row in rows] == [None] * 3
    assert [row["file"] for row in rows[:2]] == names
    path.write_bytes(b"")
    assert worker.row(names[1])["problem"] == "empty-file"


def test_message_about_a_name_that_is_not_utf_8_is_text() -> None:
    assert rows_of(problem_row("a", UNREADABLE, "no \udce9"))["message"].to_pylist() == ["no \\udce9"]


def test_unreadable_subfolder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.wav", "closed/b.wav", "open/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scan = os.scandir

    def scan_as_another_user(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_as_another_user)
    errors: list[OSError] = []
    names = find_archive([str(tmp_path)], errors.append)
    assert names == [str(tmp_path / "a.wav"), str(tmp_path / "open" / "c.wav")]
    assert [error.filename for error in errors] == [str(tmp_path / "closed")]


def test_full_disk_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were written before are kept; the lock is released."""

    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = ExitStack()
    parts = run.enter_context(open_parts(tmp_path))
    parts.add(rows_of(problem_row("a", "not-audio", "no")))
    parts.flush()
    monkeypatch.setattr("service.bulk.parquet._write_table", write)
    parts.add(rows_of(problem_row("b", "not-audio", "no")))
    with pytest.raises(UnwritableError, match="No space left"):
        run.close()
    with open_parts(tmp_path) as resumed:
        assert resumed.find_remaining(["a", "b"]) == ["b"]
        with pytest.raises(UnwritableError):
            resumed.join()
    assert list((tmp_path / "out.parquet.parts").glob("*.parquet"))


def test_full_disk_ends_the_command_with_status_2(
    tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows arrive, but no file may have a byte."""
    (tmp_path / "a.wav").touch()
    row = pa.Table.from_pylist(
        [problem_row(str(tmp_path / "a.wav"), "not-audio", "no")], table_schema(tiny_bundle.config.emotions)
    )
    options = BulkOptions([str(tmp_path)], tmp_path / "out.parquet", bundle=str(tiny_bundle.folder))
    monkeypatch.setattr("service.bulk.workers.connect", lambda _: nullcontext(1))
    monkeypatch.setattr("service.bulk.workers.analyse_archive", lambda *_: iter([row]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with redirect_stderr(io.StringIO()) as errors:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            status = run_bulk(options)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 2
    assert "out.parquet" in errors.getvalue()
    assert "Traceback" not in errors.getvalue()
    assert not (tmp_path / "out.parquet").exists()


def open_parts(folder: Path, identity: str = "starter") -> ResultParts:
    return ResultParts(folder / "out.parquet", SCHEMA, identity)


def test_parts_become_one_table_in_order(tmp_path: Path) -> None:
    with open_parts(tmp_path) as parts:
        parts.add(rows_of({"file": "c", "emotion": "sad"}, problem_row("a", UNREADABLE, "away")))
        parts.flush()
        parts.add(rows_of(problem_row("b", "not-audio", "no")))
    (tmp_path / "out.parquet.parts" / ".0123abcd-000002.parquet").write_bytes(b"incomplete part")
    with open_parts(tmp_path) as resumed:
        assert resumed.find_remaining(["a", "b", "c", "d"]) == ["a", "d"]
        resumed.add(rows_of({"file": "a", "emotion": "angry"}))
        resumed.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet"]
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["file"].to_pylist() == ["a", "b", "c"]
    assert table["emotion"].to_pylist() == ["angry", None, "sad"]
    with open_parts(tmp_path) as extended:
        extended.add(rows_of({"file": "d", "emotion": "sad"}))
        extended.join()
    assert pq.read_table(tmp_path / "out.parquet")["file"].to_pylist() == ["a", "b", "c", "d"]


def test_many_unordered_parts(tmp_path: Path) -> None:
    names = [f"{number:05d}" for number in np.random.default_rng(0).permutation(2_500)]
    with open_parts(tmp_path) as parts:
        for first in range(0, len(names), 20):
            parts.add(rows_of(*({"file": name, "text": name} for name in names[first : first + 20])))
            parts.flush()
        parts.join()
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["file"].to_pylist() == table["text"].to_pylist() == sorted(names)


def test_results_of_other_runs_are_not_overwritten(tmp_path: Path) -> None:
    with open_parts(tmp_path) as parts:
        with pytest.raises(ResultsError, match="another run is writing it"):
            open_parts(tmp_path)
        parts.join()
    with pytest.raises(ResultsError, match="starter, this run is iemocap"):
        open_parts(tmp_path, "iemocap")
    (tmp_path / "out.parquet").write_bytes(b"another file")
    with pytest.raises(ResultsError, match="choose another --out"):
        open_parts(tmp_path)


def test_documented_pandas_example(
    worker: ArchiveWorker, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in (("a.wav", encode(noise(3.0))), ("b.wav", b"not audio"), ("c.wav", encode(noise(2.0)))):
        (tmp_path / name).write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with ResultParts(Path("results.parquet"), table_schema(tiny_bundle.config.emotions), "tiny") as parts:
        for rows in worker(pa.table({"file": ["a.wav", "b.wav", "c.wav"]})):
            parts.add(rows)
        parts.join()
    [code] = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "command-line.md").read_text(), re.M | re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["utterances"]["file"].tolist() == ["a.wav", "c.wav"]
    assert names["words"]["word"].tolist() == ["the", "children"] * 2
    assert {"p_angry", "text_p_angry", "start_s"} <= set(names["utterances"].columns)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["bulk", *(str(argument) for argument in arguments)])


def test_errors_before_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = run(tmp_path, "--out", tmp_path / "out.parquet")
    assert (empty.exit_code, "holds no recording" in empty.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "service.bulk.parquet")
    missing = run(SPEECH, "--out", tmp_path / "out.parquet")
    assert missing.exit_code == 2
    for piece in ("pyarrow", "make install-cluster", "pip install '.[cluster]'"):
        assert piece in missing.stderr


PRIORITY = """
import os, ray
from service.bulk.workers import connect
with connect("local"):
    print(ray.get(ray.remote(lambda: os.getpriority(os.PRIO_PROCESS, 0)).remote()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("variables", "priority"), [({}, 15), ({"RAY_worker_niceness": "0"}, 0)])
def test_workers_have_the_documented_priority(variables: dict[str, str], priority: int) -> None:
    """Ray's own default, which docs/scaling.md states; a newer Ray may have another."""
    own = os.getpriority(os.PRIO_PROCESS, 0)
    environment = {name: value for name, value in os.environ.items() if name != "RAY_worker_niceness"} | variables
    command = [sys.executable, "-c", PRIORITY]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == min(19, own + priority)
