"""Hooks of mkdocs: HTTP reference from OpenAPI, model card of the shipped weights, order of the pages.

mkdocs calls these functions by name (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parent.parent
GROUPS: Final = {
    "Start": ("index.md", "quickstart.md", "quickstart.ipynb"),
    "Use": ("command-line.md", "http.md", "api.md", "streaming.md", "troubleshooting.md"),
    "Clients": ("clients.md", "agents.md", "openai.md"),
    "Weights": ("model-card.md", "model-card-mfcc.md", "bundles.md", "train-your-own.md", "retraining.md"),
    "Research": ("paper.md", "reproduction.md", "studies.md", "experiments.md"),
    "Operation": ("operations.md", "deploy.md", "scaling.md", "performance.md"),
    "Development": ("architecture.md",),
}
"""Pages of the sidebar, by heading; the index has the same headings."""
_OTHERS: Final = "More"
_CARDS: Final = {"model-card.md": "starter", "model-card-mfcc.md": "starter-mfcc"}
_LINK_OUTSIDE: Final = re.compile(r"\[([^\]]+)\]\((?:\.\./)+[^)]*\)")
_PRINT_OPENAPI: Final = """
import json
from service.app import create_app
from service.settings import Settings
print(json.dumps(create_app(Settings()).openapi()))
"""
_INTRODUCTION: Final = (
    "Version {version}. A running service serves the same reference at `/docs`, and the document at `/openapi.json`."
)
_METHODS: Final = ("get", "post", "put", "delete")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the groups of the sidebar; pages that `GROUPS` does not list follow."""
    folder = Path(config.docs_dir)
    generated = {"api.md", *_CARDS}
    pages = {path.name for pattern in ("*.md", "*.ipynb") for path in folder.glob(pattern)} | generated
    others = sorted(pages - {name for names in GROUPS.values() for name in names})
    groups = {title: [name for name in names if name in pages] for title, names in GROUPS.items()}
    config.nav = [{title: names} for title, names in {**groups, _OTHERS: others}.items() if names]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {"api.md": describe_api()}
    for name, bundle in _CARDS.items():
        card = (ROOT / "model" / "bundles" / bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
        pages[name] = f"# Model card: {card.removeprefix('# ')}"
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace links to files of the repository that are not pages by their text."""
    return _LINK_OUTSIDE.sub(r"\1", markdown)


def describe_api() -> str:
    """The HTTP reference as Markdown, from the OpenAPI document of the application."""
    # In a separate process, because the application configures logging, which would hide the messages of mkdocs.
    printed = subprocess.run([sys.executable, "-c", _PRINT_OPENAPI], capture_output=True, check=True)  # noqa: S603
    document = json.loads(printed.stdout)
    parts = ["# HTTP API", _INTRODUCTION.format(version=document["info"]["version"])]
    for path, methods in document["paths"].items():
        parts += [_operation(method, path, methods[method], document) for method in _METHODS if method in methods]
    parts.append("## Schemas")
    parts += [_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return "\n\n".join(parts) + "\n"


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    lines = [f"## {method.upper()} {path}", operation.get("description", operation.get("summary", ""))]
    for content in operation.get("requestBody", {}).get("content", {}).items():
        kind, schema = content[0], content[1]["schema"]
        name = schema.get("$ref", "").rpartition("/")[2]
        lines += [f"Request body (`{kind}`):", _fields(document["components"]["schemas"].get(name, schema))]
    responses = [f"| {status} | {_kind(response)} |" for status, response in operation["responses"].items()]
    lines.append("\n".join(["| status | response |", "|---|---|", *responses]))
    return "\n\n".join(line for line in lines if line)


def _kind(response: dict[str, Any]) -> str:
    names = {_type(content.get("schema", {})) for content in response.get("content", {}).values()}
    return ", ".join(sorted(names - {""})) or response.get("description", "")


def _schema(name: str, schema: dict[str, Any]) -> str:
    return "\n\n".join([f"### {name}", schema.get("description", ""), _fields(schema)])


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{name}`{'' if name in required else ' (optional)'} | {_type(field)} | {field.get('description', '')} |"
        for name, field in schema.get("properties", {}).items()
    ]
    return "\n".join(["| field | type | |", "|---|---|---|", *rows]) if rows else ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_type(part) for part in schema[union])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return f"object of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", ""))
