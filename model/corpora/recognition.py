"""A corpus with words and times from a recogniser, as in serving, to measure the effect of the front end.

Source: Lee, Yoon, Jung 2020, Section 5, its own future work.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter
from rich.progress import track

from alignment.aligners.protocol import Aligner
from alignment.audio import decode_audio
from alignment.errors import AlignerError, AlignmentError
from alignment.transcripts.words import TimedWord
from model.corpora.records import Corpus, CorpusUtterance
from model.corpora.word_store import WordStore

_WORDS = TypeAdapter(tuple[TimedWord, ...])


def recognise_corpus(corpus: Corpus, aligner: Aligner, cache: Path, workers: int) -> Corpus:
    """Replace the words of a corpus by recognised ones; an utterance without recognised words has none.

    Results are stored utterance by utterance, so that an interrupted run can be resumed.

    Args:
        corpus: The corpus as read.
        aligner: Recogniser.
        cache: Folder of stored results.
        workers: Number of utterances processed in parallel.

    Raises:
        AlignerError: The aligner cannot run.
    """
    info = aligner.info
    store = (
        cache / f"words-{info.name}-{hashlib.sha256(f'{info.model} {info.language}'.encode()).hexdigest()[:8]}.jsonl"
    )
    recognised = WordStore(store, _WORDS)
    missing = [utterance for utterance in corpus.utterances if _key(utterance) not in recognised]
    with ThreadPoolExecutor(workers) as pool:
        results = pool.map(lambda utterance: _recognise(utterance, aligner), missing)
        for utterance, words in track(zip(missing, results, strict=True), "recognising", len(missing)):
            recognised.add(_key(utterance), words)
    return replace(corpus, utterances=tuple(replace(u, words=recognised[_key(u)]) for u in corpus.utterances))


def _recognise(utterance: CorpusUtterance, aligner: Aligner) -> tuple[TimedWord, ...]:
    try:
        transcript = aligner.recognise(decode_audio(utterance.wav.read_bytes()))
    except AlignerError:
        raise
    except AlignmentError:
        return ()
    return tuple(word for part in transcript.utterances for word in part.words)


def _key(utterance: CorpusUtterance) -> str:
    stat = utterance.wav.stat()
    return f"{utterance.wav} {stat.st_size} {stat.st_mtime_ns}"
