"""`can-ser bundle show`, `can-ser bundle verify` and `can-ser doctor`, for people and for programs."""

import json
from dataclasses import asdict
from typing import Final

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from model.bundle import CARD, CONTENTS, METRICS, SUMS, Bundle, locate_bundle, read_bundle
from model.errors import ModelError
from model.runtime import EmotionClassifier
from service.cli.console import answers, complain, print_json
from service.cli.doctor import Finding, examine

_STYLES: Final = {"ok": "green", "missing": "yellow", "broken": "bold red"}


def run_bundle_show(name: str, *, as_json: bool) -> int:
    """Prints what a bundle is and how good; 1 when it cannot be read."""
    try:
        bundle = read_bundle(locate_bundle(name))
    except ModelError as exc:
        complain(exc)
        return 1
    if as_json:
        metrics = json.loads((bundle.folder / METRICS).read_text(encoding="utf-8"))
        facts = {"folder": str(bundle.folder), "version": bundle.version, **asdict(bundle.config), "metrics": metrics}
        print_json(facts)
    else:
        answers().print(Group(_facts(bundle), Text(), Markdown((bundle.folder / CARD).read_text(encoding="utf-8"))))
    return 0


def run_bundle_verify(name: str) -> int:
    """Checks every sum, loads both graphs and has them answer; 1 when something is wrong."""
    try:
        bundle = read_bundle(locate_bundle(name))
        classifier = EmotionClassifier(bundle, "cpu")
        classifier.warm_up()
    except ModelError as exc:
        complain(exc)
        return 1
    answers().print(
        f"{bundle.folder}: {len(CONTENTS)} files as in {SUMS}, version {bundle.version}; the network answers",
        style="green",
        soft_wrap=True,
    )
    return 0


def run_doctor(*, as_json: bool) -> int:
    """Prints what is there; 1 when the service could not run as it is set."""
    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        answers().print(_findings(findings))
        answers().print(_conclusion(findings))
    return int(_is_broken(findings))


def _is_broken(findings: list[Finding]) -> bool:
    return any(finding.state == "broken" for finding in findings)


def _conclusion(findings: list[Finding]) -> Text:
    if _is_broken(findings):
        return Text("\nThe service cannot run as it is set: see what is broken.", "bold red")
    missing = any(finding.state == "missing" for finding in findings)
    return Text(f"\nThe service can run.{' What is missing is optional.' if missing else ''}", "bold green")


def _findings(findings: list[Finding]) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in findings:
        table.add_row(Text(finding.state, _STYLES[finding.state]), finding.name, Text(finding.detail))
    return table


def _facts(bundle: Bundle) -> Table:
    config = bundle.config
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    rows = {
        "bundle": f"{config.name} {bundle.version}",
        "folder": str(bundle.folder),
        "emotions": ", ".join(config.emotions),
        "system": f"{config.system}, α {config.alpha:g}, temperature {config.temperature:.3f}",
        "words": f"{len(bundle.vocabulary.words):,}",
        "trained on": config.origin.trained_on,
        "licence": config.origin.licence,
        "created": config.origin.created,
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table
