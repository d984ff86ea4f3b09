"""The site builds, says everything it should, and its notebook runs."""

import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from service.app import create_app
from service.results.problems import PROBLEMS
from service.settings import Settings
from tests.test_documents import ROOT

HTTP_CODES = {"internal-error": 500, "not-found": 404, "method-not-allowed": 405}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it; a warning fails it, and is shown."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return folder


class Addresses(HTMLParser):
    """What a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        wanted = values.get("src") if tag != "link" else values.get("href")
        if wanted and (tag != "link" or values.get("rel") in {"stylesheet", "icon", "preload"}):
            self.found.append(wanted)


def test_nothing_comes_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 8
    for page in pages:
        parser = Addresses()
        parser.feed(page.read_text(encoding="utf-8"))
        # A report of a reproduction is a file of its own and loads nothing.
        assert parser.found or page.parent.name == "reproduction"
        assert [address for address in parser.found if address.startswith(("http:", "https:", "//"))] == []


def test_the_reference_is_the_application_s_own(site: Path) -> None:
    text = (site / "api" / "index.html").read_text(encoding="utf-8")
    for piece in ("POST /predict", "GET /health/ready", "transcript", "WordOut", "multipart/form-data"):
        assert piece in text
    assert "Model card: starter" in (site / "model-card" / "index.html").read_text(encoding="utf-8")


def test_every_field_of_a_request_is_told_once() -> None:
    page = (ROOT / "docs" / "http.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", page, re.M)
    body = create_app(Settings()).openapi()["paths"]["/predict"]["post"]["requestBody"]
    taken = body["content"]["multipart/form-data"]["schema"]["properties"]
    assert sorted(told) == sorted(taken.keys() - {"file"})


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    # What version 1.2.0 of the format asks for (https://citation-file-format.github.io).
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert [author["family-names"] for author in citation["preferred-citation"]["authors"]] == ["Lee", "Yoon", "Jung"]


def test_every_error_code_has_its_way_out() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    told = {code: int(status) for code, status in re.findall(r"^### ([\w-]+)\n\n(\d{3})\. \S", page, re.M)}
    assert told == HTTP_CODES | {problem.code: int(problem.status) for problem in PROBLEMS.values()}


def test_the_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "docs" / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("Americans" in str(output.get("data", {}).get("text/html")) for output in outputs)
