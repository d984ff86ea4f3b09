"""What Docker is given agrees with the code; that it runs is shown by `make docker-test`."""

import json
import re
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings import PREFIX, Settings, variable_names

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def settings() -> dict[str, tuple[str, str | None]]:
    """Default and description of every variable."""
    fields: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            fields |= {f"{PREFIX}{name}__{inner}".upper(): each for inner, each in group.model_fields.items()}
        else:
            fields[f"{PREFIX}{name}".upper()] = field
    return {name: (written(field), field.description) for name, field in fields.items()}


def written(field: FieldInfo) -> str:
    """A default as a variable's text; nothing where there is none, or where it depends on the machine."""
    value = None if field.default_factory else field.default
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, tuple):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def examples() -> dict[str, tuple[str, str]]:
    """Value and comment of every variable of .env.example."""
    pairs = re.findall(r"^# (.+)\n#([A-Z_]+)=(.*)$", EXAMPLE, re.M)
    return {name: (value, comment) for comment, name, value in pairs}


def test_every_setting_is_in_the_example_with_its_default() -> None:
    given = {name: each for name, each in examples().items() if name.startswith(PREFIX)}
    assert given == settings()
    assert list(given) == variable_names()


def test_every_variable_of_compose_is_in_the_example() -> None:
    wanted = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
    assert wanted == {name for name in examples() if not name.startswith(PREFIX)}


def test_only_variables_that_exist_are_set() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(CAN_[A-Z_]+)[=:]", COMPOSE + dockerfile))
    assert named
    assert named <= set(variable_names())


def test_the_gpu_list_differs_in_onnxruntime_alone() -> None:
    def versions(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return {line for line in re.findall(r"^[\w.-]+==[^\s\\]+", text, re.M) if not line.startswith("onnxruntime")}

    assert versions("gpu") == versions("whisperx")
    text = (ROOT / "requirements" / "gpu.txt").read_text(encoding="utf-8")
    assert re.search(r"^onnxruntime-gpu==1\.24\.4", text, re.M)
    assert re.search(r"^onnxruntime==\S+ ; sys_platform == 'nowhere'", text, re.M)
