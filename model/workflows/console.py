"""Console output of the training commands, on standard error."""

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from alignment.errors import AlignmentError
from model.corpora.iemocap import ALL_LABELS
from model.corpora.iemocap_counts import compare_counts
from model.corpora.records import Corpus
from model.data.embeddings import Embeddings
from model.errors import ModelError
from model.safe_console import SafeConsole

console: Final = SafeConsole(stderr=True, highlight=False)


def print_line(text: str) -> None:
    """Print a line without markup and without wrapping, which would break paths."""
    console.print(text, markup=False, soft_wrap=True)


def exit_status(command: Callable[[], None]) -> int:
    """Run a command; return 0, or 1 after printing the error of one that fails."""
    try:
        command()
    except (ModelError, AlignmentError, OSError, BrokenProcessPool) as exc:
        console.print(f"[red]{type(exc).__name__}[/]: ", end="")
        print_line(str(exc))
        if isinstance(exc, BrokenProcessPool):
            print_line("a worker process was killed, often for lack of memory: reduce --jobs; finished folds are kept")
        return 1
    return 0


def print_missing_words(embeddings: Embeddings) -> None:
    """Print how many words of the corpus have no vector."""
    if missing := embeddings.not_found:
        print_line(f"{len(missing)} words of the corpus are not in {embeddings.source}: {', '.join(missing[:10])} …")


def print_corpus(corpus: Corpus) -> None:
    """Print what was read from a corpus and what was skipped."""
    labels = ", ".join(f"{label} {count}" for label, count in corpus.by_label.items())
    print_line(f"{corpus.labelled} labelled utterances ({labels}); {len(corpus.utterances)} used")
    if skipped := {label: count for label, count in corpus.by_label.items() if label not in corpus.labels}:
        print_line(_explain_labels(skipped, corpus.labels))
    for reason, names in (("without .wdseg", corpus.without_wdseg), ("without wav", corpus.without_wav)):
        if names:
            print_line(f"{len(names)} skipped {reason}: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")
    for message in corpus.damaged:
        console.print("[yellow]skipped[/] ", end="")
        print_line(message)
    for line in compare_counts(corpus):
        print_line(line)
    if wordless := sum(not utterance.words for utterance in corpus.utterances):
        print_line(f"{wordless} utterances have no word; each is treated as one unknown word")


def _explain_labels(skipped: Mapping[str, int], labels: Sequence[str]) -> str:
    """Why utterances were skipped for their label, and how to train on them."""
    counts = ", ".join(f"{label} {count}" for label, count in skipped.items())
    text = f"{sum(skipped.values())} skipped because of their label ({counts}); trained on are {', '.join(labels)}"
    if known := [label for label in skipped if label in ALL_LABELS]:
        text += f"; `model.train --classes 9` adds {' and '.join(known)}"
    if unknown := [label for label in skipped if label not in ALL_LABELS]:
        text += f"; {', '.join(unknown)}: no class has this label, the known ones are {', '.join(ALL_LABELS)}"
    return text


def command_line(module: str) -> str:
    """The command as it was entered, without absolute paths."""
    arguments = [re.sub(r"(^|=)/.*", r"\1DIR", argument) for argument in sys.argv[1:]]
    return f"python -m {module} {shlex.join(arguments)}"
