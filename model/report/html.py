"""report.html: a self-contained page with the rendered report and the learning curves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from markdown_it import MarkdownIt

from model.report.confusion import Confusion, confusion_to_html

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1d2330; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dce4; padding: .3rem .7rem; text-align: left; font-variant-numeric: tabular-nums; }
th { background: #f3f5f9; }
code { background: #f3f5f9; padding: .1rem .3rem; }
svg { max-width: 100%; height: auto; background: #fff; }
@media (prefers-color-scheme: dark) {
  body { background: #14171e; color: #dfe3ec; } th, code { background: #222836; } th, td { border-color: #333b4d; }
}
"""
COLOURS: Final = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#5b5b5b", "#b5a800", "#17becf"),
)
"""Ten colours that differ in hue or lightness, all legible on white."""
DASHES: Final = ("", "8 4", "2 3")
"""Patterns of the lines: after ten curves the colours repeat with the next pattern."""
_WIDTH, _HEIGHT, _MARGIN = 720, 320, 36
_LEGEND_WIDTH, _LEGEND_STEP = 340, 18


@dataclass(frozen=True, slots=True)
class Curve:
    """A learning curve.

    Attributes:
        title: Title of the row.
        values: Mean validation WA by epoch.
        trainings: Number of trainings that each value averages; those that have stopped are not among them.
    """

    title: str
    values: Sequence[float]
    trainings: Sequence[int]


def render_html(title: str, markdown: str, curves: Sequence[Curve], confusions: Sequence[Confusion]) -> str:
    """Render the page.

    Args:
        title: Title of the page.
        markdown: The report without confusion matrices.
        curves: Learning curves.
        confusions: Confusion matrices.
    """
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    tables = "".join(line for confusion in confusions for line in confusion_to_html(confusion))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{body}"
        "<h2>Validation WA by epoch</h2>\n<p>Each value is the mean over the trainings that reached its epoch. A line "
        "is thin where some of them have stopped; the number of trainings at the first and the last epoch is in the "
        f"legend.</p>\n{''.join(_draw(curves))}\n"
        "<h2>Confusion matrices over all folds</h2>\n<p>Share of the true class in percent: the diagonal is the "
        f"recall. A cell shows its count when the pointer is on it.</p>\n{tables}</html>\n"
    )


def _draw(curves: Sequence[Curve]) -> Iterator[str]:
    longest = max(len(curve.values) for curve in curves)
    highest = max(max(curve.values) for curve in curves) or 1.0
    height = max(_HEIGHT, 2 * _MARGIN + _LEGEND_STEP * len(curves))
    yield f'<svg viewBox="0 0 {_WIDTH + _LEGEND_WIDTH} {height}" role="img" aria-label="learning curves">'
    for level in (0.0, highest / 2, highest):
        yield f'<text x="0" y="{_y(level, highest)}" font-size="11" fill="#1d2330">{level:.2f}</text>'
    for epoch in sorted({1, (longest + 1) // 2, longest}):
        x = _x(epoch - 1, longest)
        yield f'<text x="{x:.1f}" y="{_HEIGHT - _MARGIN + 16}" font-size="11" fill="#1d2330">{epoch}</text>'
    for number, curve in enumerate(curves):
        yield from _draw_curve(number, curve, longest, highest)
    yield "</svg>"


def _draw_curve(number: int, curve: Curve, longest: int, highest: float) -> Iterator[str]:
    colour = COLOURS[number % len(COLOURS)]
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    style = f'fill="none" stroke="{colour}" stroke-dasharray="{dash}"'
    whole = sum(count == curve.trainings[0] for count in curve.trainings)
    points = [f"{_x(epoch, longest):.1f},{_y(value, highest):.1f}" for epoch, value in enumerate(curve.values)]
    yield f'<polyline points="{" ".join(points[:whole])}" {style} stroke-width="2.5"/>'
    if whole < len(points):
        yield f'<polyline points="{" ".join(points[whole - 1 :])}" {style} stroke-width="1"/>'
    first, last = curve.trainings[0], curve.trainings[-1]
    counts = f"{first} trainings" if first == last else f"{first} trainings, {last} at epoch {len(points)}"
    y = _MARGIN + _LEGEND_STEP * number
    yield f'<line x1="{_WIDTH + 8}" x2="{_WIDTH + 32}" y1="{y - 4}" y2="{y - 4}" {style} stroke-width="2.5"/>'
    yield f'<text x="{_WIDTH + 38}" y="{y}" font-size="12" fill="#1d2330">{escape(curve.title)}: {counts}</text>'


def _x(epoch: int, longest: int) -> float:
    return _MARGIN + (_WIDTH - _MARGIN) * epoch / max(1, longest - 1)


def _y(value: float, highest: float) -> float:
    return _HEIGHT - _MARGIN + (2 * _MARGIN - _HEIGHT) * value / highest
