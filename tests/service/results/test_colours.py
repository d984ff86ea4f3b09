from service.results.colours import COLOURS, OTHERS, colour_labels
from tests.builders import ROOT

STYLE = (ROOT / "service" / "static" / "style.css").read_text(encoding="utf-8")


def test_own_labels_have_colours_of_their_own_in_order() -> None:
    colours = colour_labels(["plain", "angry", "cheerful", "down"])
    assert list(colours) == ["plain", "angry", "cheerful", "down"]
    assert colours["angry"] == COLOURS["angry"]
    assert [colours[label] for label in ("plain", "cheerful", "down")] == list(OTHERS[:3])
    assert len({*COLOURS.values(), *OTHERS}) == len(COLOURS) + len(OTHERS)


def test_more_labels_than_colours_begin_again() -> None:
    labels = [f"label {number}" for number in range(len(OTHERS) + 1)]
    colours = colour_labels(labels)
    assert colours[labels[-1]] == colours[labels[0]] == OTHERS[0]


def test_colours_are_those_of_the_page() -> None:
    for name, colour in (*COLOURS.items(), *((f"other-{number}", each) for number, each in enumerate(OTHERS, 1))):
        assert f"--{name}: light-dark({colour}," in STYLE
