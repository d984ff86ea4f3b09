"""What the training commands tell people, on standard error."""

import re
import shlex
import sys
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

from rich.console import Console

from alignment.errors import AlignmentError
from model.corpora.iemocap_counts import compare_counts
from model.corpora.records import Corpus
from model.data.embeddings import Embeddings
from model.errors import ModelError
from model.runs.folder import MovedRun

console: Final = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prints a line as it is: no markup, and paths in it are not broken where the terminal ends."""
    console.print(text, markup=False, soft_wrap=True)


def run_explained(work: Callable[[], None]) -> int:
    """Exit status of a command: 0, or 1 with the reason printed when it cannot."""
    try:
        work()
    except (ModelError, AlignmentError, OSError, BrokenProcessPool) as exc:
        console.print(f"[red]{type(exc).__name__}[/]: ", end="")
        say(str(exc))
        if isinstance(exc, BrokenProcessPool):
            console.print("a process was killed, most often for want of memory: try fewer --jobs; finished folds stay")
        return 1
    return 0


def describe_move(path: Path, moved: MovedRun | None) -> None:
    """Says when a run of other settings has been moved out of the way, and what differs."""
    if moved:
        console.print(
            f"{path} held another run ({'; '.join(moved.differs)}); it is kept in {moved.path}",
            markup=False,
            soft_wrap=True,
        )


def describe_embeddings(table: Embeddings) -> None:
    """Prints how many words have no vector."""
    if table.not_found:
        shown = ", ".join(table.not_found[:10])
        console.print(f"{len(table.not_found)} words of the corpus are not in {table.source}: {shown} …", markup=False)


def describe_corpus(corpus: Corpus) -> None:
    """Prints what was read and what was not."""
    labels = ", ".join(f"{label} {count}" for label, count in corpus.by_label.items())
    console.print(f"{corpus.labelled} labelled utterances ({labels}); {len(corpus.utterances)} kept")
    for reason, names in (("without .wdseg", corpus.without_wdseg), ("without wav", corpus.without_wav)):
        if names:
            console.print(
                f"{len(names)} left out {reason}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}",
                soft_wrap=True,
            )
    for message in corpus.damaged:
        console.print("[yellow]skipped[/] ", end="")
        say(message)
    for line in compare_counts(corpus):
        say(line)
    if wordless := sum(not utterance.words for utterance in corpus.utterances):
        console.print(f"{wordless} utterances have no word; each is one unknown word over its whole sound")


def shown_command(module: str) -> str:
    """What was typed, without the folders of this machine."""
    shown = [re.sub(r"(^|=)/.*", r"\1DIR", argument) for argument in sys.argv[1:]]
    return f"python -m {module} {shlex.join(shown)}"
