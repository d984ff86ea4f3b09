"""`can-ser bundle show` and `can-ser bundle verify`."""

from dataclasses import asdict

from rich.console import Group
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from alignment.printable import printable_lines
from model.bundle import Bundle, locate_bundle, read_bundle, read_card, read_metrics
from model.bundle_files import SUMS, list_files
from model.errors import ModelError
from model.runtime import EmotionClassifier
from service.cli.console import output_console, print_error, print_json
from service.errors import SettingsError
from service.settings import load_settings


def run_bundle_show(name: str, *, as_json: bool) -> int:
    """Print the configuration, metrics and card of a bundle; return 1 when it cannot be read, 2 for a wrong setting."""
    try:
        load_settings()
        bundle = read_bundle(locate_bundle(name))
        metrics, card = read_metrics(bundle), read_card(bundle)
    except (ModelError, SettingsError) as exc:
        print_error(exc)
        return 2 if isinstance(exc, SettingsError) else 1
    if as_json:
        fields = {"folder": str(bundle.folder), "version": bundle.version, **asdict(bundle.config), "metrics": metrics}
        print_json(fields)
    else:
        output_console().print(Group(_describe(bundle), Text(), Markdown(printable_lines(card))))
    return 0


def run_bundle_verify(name: str) -> int:
    """Check every file, and run both graphs against the configuration; return 1 on a fault, 2 for a wrong setting."""
    try:
        load_settings()
        bundle = read_bundle(locate_bundle(name))
        read_metrics(bundle)
        read_card(bundle)
        EmotionClassifier(bundle, "cpu").warm_up()
    except (ModelError, SettingsError) as exc:
        print_error(exc)
        return 2 if isinstance(exc, SettingsError) else 1
    files = len(list_files(bundle.folder))
    output_console().print(
        f"{bundle.folder}: {files} files match {SUMS}, version {bundle.version}; the network runs",
        style="green",
        soft_wrap=True,
    )
    return 0


def _describe(bundle: Bundle) -> Table:
    config = bundle.config
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    rows = {
        "bundle": f"{config.name} {bundle.version}",
        "folder": str(bundle.folder),
        "emotions": ", ".join(config.emotions),
        "system": f"{config.system}, α {config.alpha:g}, temperature {config.calibration.temperature:.3f}",
        "words": f"{len(bundle.vocabulary.words):,}",
        "trained on": config.origin.trained_on,
        "licence": config.origin.licence,
        "created": config.origin.created,
    }
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table
