import io
from multiprocessing import get_context

from rich.console import Console

from model.runs.progress import FoldEpoch, FoldProgress, showing
from model.training.loop import Epoch
from tests.waiting import wait_until


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_running_fold_shows_epoch_and_metrics() -> None:
    console = terminal()
    with FoldProgress(console, 2) as progress:
        progress.show(FoldEpoch("can fold-00", Epoch(3, 1.2, 0.514, 1.3), 100))
        progress.finish("can fold-01", "can fold-01: WA 0.500")
    assert "can fold-00, loss 1.200, validation WA 0.514" in shown(console)
    assert "3/100" in shown(console)
    assert "can fold-01: WA 0.500" in shown(console)
    assert "1/2" in shown(console)


def test_queued_updates_are_shown() -> None:
    console = terminal()
    with FoldProgress(console, 1) as progress:
        updates = get_context("spawn").SimpleQueue()
        with showing(progress, updates):
            updates.put(FoldEpoch("text fold-00", Epoch(1, 1.0, 0.25, 1.0), 10))
            wait_until(lambda: "text fold-00, loss 1.000, validation WA 0.250" in shown(console), 10)
        progress.finish("text fold-00", "done")
    assert "1/1" in shown(console)


def test_non_terminal_prints_one_line_per_epoch() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with FoldProgress(console, 1) as progress:
        progress.show(FoldEpoch("can fold-00", Epoch(1, 1.0, 0.25, 1.0), 10))
        progress.finish("can fold-00", "can fold-00: WA 0.5 [odd]")
    assert "can fold-00: WA 0.5 [odd]" in shown(console)
    assert "can fold-00: epoch 1 of at most 10, loss 1.000, validation WA 0.250" in shown(console).replace("\n", " ")


def test_only_the_loss_is_shown_without_validation() -> None:
    console = terminal()
    with FoldProgress(console, 1) as progress:
        progress.show(FoldEpoch("starter Ses01", Epoch(1, 1.0, 0.0, 0.0), 7))
    assert "starter Ses01, loss 1.000 " in shown(console)
    assert "validation" not in shown(console)
