"""The documentation site: build, completeness, notebook."""

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

from docs import hooks
from service.app import create_app
from service.results.problems import PROBLEMS
from service.settings import Settings
from tests.builders import ROOT
from tests.test_documents import read_document

pytestmark = pytest.mark.slow

HTTP_CODES = {"internal-error": 500, "not-found": 404, "method-not-allowed": 405}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Site as `make docs` builds it; warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    return folder


class ResourceParser(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get("src") if tag != "link" else values.get("href")
        if address and (tag != "link" or values.get("rel") in {"stylesheet", "icon", "preload"}):
            self.addresses.append(address)


def test_no_resource_from_other_hosts(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 8
    for page in pages:
        parser = ResourceParser()
        parser.feed(page.read_text(encoding="utf-8"))
        # The reports of a reproduction are self-contained files.
        assert parser.addresses or "reproduction" in page.relative_to(site).parts
        assert [address for address in parser.addresses if address.startswith(("http:", "https:", "//"))] == []


def test_index_and_sidebar_lead_to_every_page(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    sidebar, content = index.partition("<article")[::2]
    linked = set(re.findall(r'href="([\w./-]+)/"', content))
    pages = {page.parent.name for page in site.glob("*/index.html")}  # Reports are linked from their page.
    assert len(pages) > 15
    assert {page for page in pages if page not in linked} == set()
    assert {page for page in pages if f'href="{page}/"' not in sidebar} == set()
    for title in (*hooks.GROUPS, "More"):
        assert (title in re.findall(r'md-nav__link[^>]*>\s*<span class="md-ellipsis">\s*(\w+)', sidebar)) == (
            title != "More"
        )


def test_reference_is_generated_from_application(site: Path) -> None:
    text = (site / "api" / "index.html").read_text(encoding="utf-8")
    for piece in ("POST /predict", "GET /health/ready", "transcript", "WordOut", "multipart/form-data"):
        assert piece in text
    assert "Model card: starter" in (site / "model-card" / "index.html").read_text(encoding="utf-8")


def test_every_request_field_is_documented_once() -> None:
    fields = read_document("docs/http.md").split("\n## Fields\n")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", fields, re.M)
    body = create_app(Settings()).openapi()["paths"]["/predict"]["post"]["requestBody"]
    accepted = body["content"]["multipart/form-data"]["schema"]["properties"]
    assert sorted(documented) == sorted(accepted.keys() - {"file"})


def test_citation_matches_project() -> None:
    citation = yaml.safe_load(read_document("CITATION.cff"))
    project = tomllib.loads(read_document("pyproject.toml"))["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    # Required keys of version 1.2.0 of the format (https://citation-file-format.github.io).
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}
    assert [author["family-names"] for author in citation["preferred-citation"]["authors"]] == ["Lee", "Yoon", "Jung"]


def test_every_error_code_is_documented() -> None:
    page = read_document("docs/troubleshooting.md")
    documented = {code: int(status) for code, status in re.findall(r"^### ([\w-]+)\n\n(\d{3})\. \S", page, re.M)}
    assert documented == HTTP_CODES | {problem.code: int(problem.status) for problem in PROBLEMS.values()}


def test_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "docs" / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("Americans" in str(output.get("data", {}).get("text/html")) for output in outputs)
