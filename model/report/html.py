"""report.html of a reproduction: a self-contained page with the rendered report and the learning curves."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from markdown_it import MarkdownIt

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1d2330; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d8dce4; padding: .3rem .7rem; text-align: left; font-variant-numeric: tabular-nums; }
th { background: #f3f5f9; }
code { background: #f3f5f9; padding: .1rem .3rem; }
svg { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #14171e; color: #dfe3ec; } th, code { background: #222836; } th, td { border-color: #333b4d; }
}
"""
_COLOURS: Final = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e")
_WIDTH, _HEIGHT, _MARGIN = 720, 320, 36


def render_html(markdown: str, curves: Mapping[str, Sequence[float]]) -> str:
    """Render the page.

    Args:
        markdown: The report.
        curves: Mean validation WA by epoch of each system.
    """
    body = MarkdownIt("commonmark").enable("table").render(markdown)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Reproduction of the paper's tables</title>\n<style>{_STYLE}</style>\n{body}"
        f"<h2>Validation WA by epoch, mean over folds</h2>\n{_draw(curves)}\n</html>\n"
    )


def _draw(curves: Mapping[str, Sequence[float]]) -> str:
    longest = max(map(len, curves.values()))
    highest = max(max(curve) for curve in curves.values()) or 1.0
    parts = [f'<svg viewBox="0 0 {_WIDTH + 220} {_HEIGHT}" role="img" aria-label="learning curves">']
    parts.extend(
        f'<text x="0" y="{_y(level, highest)}" font-size="11" fill="currentColor">{level:.2f}</text>'
        for level in (0.0, highest / 2, highest)
    )
    for number, (title, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{_x(epoch, longest):.1f},{_y(value, highest):.1f}" for epoch, value in enumerate(curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(
            f'<text x="{_WIDTH + 8}" y="{_MARGIN + 18 * number}" font-size="12" fill="{colour}">{escape(title)}</text>'
        )
    return "".join(parts) + "</svg>"


def _x(epoch: int, longest: int) -> float:
    return _MARGIN + (_WIDTH - _MARGIN) * epoch / max(1, longest - 1)


def _y(value: float, highest: float) -> float:
    return _HEIGHT - _MARGIN + (2 * _MARGIN - _HEIGHT) * value / highest
