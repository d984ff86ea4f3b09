"""Commands on a machine with the packages of `make install` only."""

from pathlib import Path

import pytest

from tests.builders import ROOT, SPEECH
from tests.machines import install_links, run_isolated

CLIP = str(SPEECH / "numbers.flac")


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_links(ROOT / "requirements" / "core.txt", tmp_path_factory.mktemp("core"))


@pytest.mark.parametrize(
    ("options", "extra"),
    [
        (("predict", CLIP, "--plot", "missing/plot.png"), "plots"),
        (("predict", CLIP, "--aligner", "whisperx"), "whisperx"),
        (("bulk", str(SPEECH), "--out", "missing/table.parquet"), "cluster"),
        (("bulk", "s3://missing/", "--out", "missing/table.parquet"), "cluster"),
        (("fetch",), "whisperx"),
        (("mcp",), "mcp"),
        (("serve", "--aligner", "whisperx"), "whisperx"),
    ],
)
def test_missing_extra_is_one_line(core_only: Path, options: tuple[str, ...], extra: str) -> None:
    done = run_isolated(core_only, "-m", "service.cli.app", *options)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert f"`make install-{extra}`" in line


@pytest.mark.parametrize(
    ("statement", "extra"), [("import service.cluster", "cluster"), ("from service import Client", "client")]
)
def test_import_without_its_extra_names_it(core_only: Path, statement: str, extra: str) -> None:
    done = run_isolated(core_only, "-c", statement)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("alignment.errors.MissingPackageError")
    assert f"`make install-{extra}`" in last
