"""Consistency of the Docker configuration with the code; `make docker-test` runs the images."""

import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings, variable_names
from tests.builders import ROOT

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def documented_settings() -> dict[str, tuple[str, str | None]]:
    """Default and description of each variable."""
    fields: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            fields |= {f"{PREFIX}{name}__{inner}".upper(): each for inner, each in group.model_fields.items()}
        else:
            fields[f"{PREFIX}{name}".upper()] = field
    return {name: (format_default(field), field.description) for name, field in fields.items()}


def format_default(field: FieldInfo) -> str:
    """Default as the value of a variable; empty where there is none, or where it depends on the machine."""
    value = None if field.default_factory else field.default
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def examples() -> dict[str, tuple[str, str]]:
    """Value and comment of each variable of .env.example."""
    pairs = re.findall(r"^# (.+)\n#([A-Z_]+)=(.*)$", EXAMPLE, re.M)
    return {name: (value, comment) for comment, name, value in pairs}


def test_example_lists_every_setting_with_default() -> None:
    listed = {name: each for name, each in examples().items() if name.startswith(PREFIX)}
    assert listed == documented_settings()
    assert list(listed) == variable_names()


def test_example_lists_every_compose_variable() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    assert used == {name for name in examples() if not name.startswith(PREFIX)}


def test_container_variables_exist() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    variables = set(re.findall(r"\b(CAN_[A-Z_]+)[=:]", COMPOSE + dockerfile))
    assert variables
    assert variables <= set(variable_names())


def test_gpu_requirements_differ_only_in_onnxruntime() -> None:
    def versions(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return {line for line in re.findall(r"^[\w.-]+==[^\s\\]+", text, re.M) if not line.startswith("onnxruntime")}

    assert versions("gpu") == versions("whisperx")
    assert any(line.startswith("torch==") for line in versions("gpu"))
    text = (ROOT / "requirements" / "gpu.txt").read_text(encoding="utf-8")
    assert re.search(r"^onnxruntime-gpu==1\.24\.4", text, re.M)
    assert re.search(r"^onnxruntime==\S+ ; sys_platform == 'nowhere'", text, re.M)


def test_every_image_has_its_size_in_the_documents() -> None:
    """A figure, or that none was measured; the first paragraphs name the size of what they build."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    images = set(re.findall(r"^    image: (can-ser:\w+)$", COMPOSE, re.M))
    rows = dict(re.findall(r"^\| image `([\w:-]+)`[^|]*\| ([^|]+) \|$", text, re.M))
    assert rows.keys() == images
    assert all(re.match(r"\d\.\d+ GB|not measured", figure) for figure in rows.values())
    slim = rows["can-ser:slim"].split(";")[0]
    for document in (text.partition("| command |")[0], (ROOT / "README.md").read_text(encoding="utf-8")):
        assert "docker compose --profile slim up slim" in document
        assert slim in document


def test_core_has_no_package_that_only_training_needs() -> None:
    """librosa and its dependencies are 222 MB; they stay in the extra that trains and compares."""
    training = {"librosa", "numba", "llvmlite", "scikit-learn", "torch"}
    packages = {
        name: set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / f"{name}.txt").read_text("utf-8"), re.M))
        for name in ("core", "client", "mcp", "dev")
    }
    assert packages["dev"] >= training
    for name in ("core", "client", "mcp"):
        assert not packages[name] & training, name
