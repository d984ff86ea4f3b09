import re
from itertools import combinations

import numpy as np
import pytest

from model.report.confusion import Confusion, confusion_to_html, confusion_to_markdown
from model.report.html import COLOURS, DASHES, Curve, render_html

CONFUSION = Confusion("CAN", ("ang", "hap"), np.array([[3, 1], [0, 0]]))


def to_lab(colour: str) -> np.ndarray:
    """CIELAB of an sRGB colour.

    Source: CIE 15:2004, illuminant D65.
    """
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.where((r := xyz / [0.9505, 1.0, 1.089]) > 0.008856, np.cbrt(r), 7.787 * r + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_ten_colours_are_distinguishable() -> None:
    """A difference of 2.3 is just noticeable; that of any two is more than ten times as large."""
    assert len(COLOURS) == 10
    distances = [np.linalg.norm(to_lab(a) - to_lab(b)) for a, b in combinations(COLOURS, 2)]
    assert min(distances) > 25


def test_every_curve_has_its_own_colour_and_pattern() -> None:
    curves = [Curve(f"row {number}", [0.1, 0.2], [3, 3]) for number in range(15)]
    page = render_html("t", "# t", curves, [])
    styles = re.findall(r'<polyline [^>]*stroke="(#\w+)" stroke-dasharray="([^"]*)"', page)
    assert len(set(styles)) == 15
    assert {dash for _, dash in styles} <= set(DASHES)


def test_curve_states_how_many_trainings_it_averages() -> None:
    page = render_html("t", "# t", [Curve("CAN", [0.1, 0.2, 0.3, 0.2], [3, 3, 2, 1])], [])
    assert "CAN: 3 trainings, 1 at epoch 4" in page
    widths = re.findall(r'<polyline points="([^"]+)"[^>]*stroke-width="([\d.]+)"', page)
    assert [(len(points.split()), width) for points, width in widths] == [(2, "2.5"), (3, "1")]


def test_curve_of_complete_trainings_is_one_line() -> None:
    page = render_html("t", "# t", [Curve("CAN", [0.1, 0.2], [10, 10])], [])
    assert page.count("<polyline") == 1
    assert "CAN: 10 trainings<" in page


@pytest.mark.parametrize("text", ["75 %", 'title="3"', "true ↓, predicted →", ">angry<", "<td>4</td>"])
def test_confusion_matrix_shows_shares_and_names(text: str) -> None:
    assert text in "".join(confusion_to_html(CONFUSION))


def test_confusion_matrix_as_markdown() -> None:
    lines = list(confusion_to_markdown(CONFUSION))
    assert "| true ↓, predicted → | ang | hap | utterances |" in lines
    assert "| ang | 75 % (3) | 25 % (1) | 4 |" in lines
    assert "| hap | 0 % (0) | 0 % (0) | 0 |" in lines
