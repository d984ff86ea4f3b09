"""The script that trains the test models, without the parts that need espeak-ng or much time."""

import random
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.fixtures.make_speech import RATE_HZ
from tests.fixtures.tiny.ctc import SYMBOLS, letters_by_frame
from tests.fixtures.tiny.evaluation import edit_distance
from tests.fixtures.tiny.speech import Sentence, SpokenWord
from tests.fixtures.tiny.tokenizer import make_tokenizer, token_of
from tests.fixtures.tiny.training import Stage, train
from tests.fixtures.tiny.vocabulary import SPOKEN, draw_sentence, write, write_text
from tests.fixtures.tiny.windows import draw_window

STAGES = (Stage(5, 2, 1.0, 3, 0.1, 0.05), Stage(3, 2, 1.0, 3, 0.05, 0.01))


class MeanTask:
    """Fits a parameter to the mean of random numbers; may be interrupted before a step."""

    name = "mean"

    def __init__(self, interrupted_before: int | None = None) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = nn.Linear(1, 1)
        self.interrupted_before, self.drawn = interrupted_before, []  # type: ignore[var-annotated]

    def loss(self, stage: Stage, draw: random.Random) -> tuple[Tensor, Mapping[str, float]]:
        if len(self.drawn) == self.interrupted_before:
            raise KeyboardInterrupt
        self.drawn.append(draw.random())
        loss = ((self.network(torch.ones(stage.batch, 1)) - self.drawn[-1]) ** 2).mean()
        return loss, {"loss": loss.item()}


def test_resumed_run_equals_uninterrupted_run(tmp_path: Path) -> None:
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole, killed, resumed = MeanTask(), MeanTask(interrupted_before=6), MeanTask()
    train(whole, STAGES, tmp_path / "whole", seed=1)
    with pytest.raises(KeyboardInterrupt):
        train(killed, STAGES, tmp_path / "killed", seed=1, save_every_s=0.0)
    train(resumed, STAGES, tmp_path / "killed", seed=1)
    assert killed.drawn + resumed.drawn == whole.drawn
    assert len(whole.drawn) == 8
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name])


def test_numbers_as_words_and_as_numerals() -> None:
    words = "open forty two table five dollars two".split()
    assert write_text(words, numerals=True) == "open 42 table $5 two"
    assert write_text(words, numerals=False) == " ".join(words)
    spoken = [words[token.first : token.after] for token in write(words, numerals=True)]
    assert spoken == [["open"], ["forty"], ["two"], ["table"], ["dollars"], ["five"], ["two"]]


def test_every_word_and_digit_is_one_token() -> None:
    tokenizer = make_tokenizer()
    for text in (*(f" {word}" for word in SPOKEN), " 4", "2", " $"):
        assert tokenizer.decode([token_of(tokenizer, text)]) == text
    assert tokenizer.decode(tokenizer.encode(" 42 grün $5").ids) == " 42 grün $5"


def test_languages_share_no_word() -> None:
    assert len(set(SPOKEN)) == len(SPOKEN)
    assert set("".join(SPOKEN)) <= set(SYMBOLS)


def test_letters_span_their_word() -> None:
    words = [SpokenWord("ab", 0.1, 0.3), SpokenWord("abc", 0.4, 0.52)]
    symbols = [SYMBOLS[symbol] for symbol in letters_by_frame(words, 40)]
    letters = {frame: symbol for frame, symbol in enumerate(symbols) if symbol != "<pad>"}
    assert letters == {5: "a", 14: "b", 15: "|", 20: "a", 22: "b", 25: "c"}


def test_windows_hold_whole_words_at_their_times() -> None:
    """The level of each word of the test sentence identifies it."""
    steps = np.repeat(np.arange(1, 6, dtype=np.int16) * 4_000, RATE_HZ // 4)
    words = tuple(SpokenWord(f"w{index}", index / 4, index / 4 + 0.25) for index in range(5))
    pool = [Sentence(steps, words, language) for language in ("en", "de")]
    for seed in range(50):
        window = draw_window(pool, random.Random(seed), 4 * RATE_HZ, 12)
        levels = [
            np.median(window.samples[round(word.start_s * RATE_HZ) : round(word.end_s * RATE_HZ)])
            for word in window.words
        ]
        numbers = [int(word.word[1:]) + 1 for word in window.words]
        assert np.corrcoef([*levels, 0.0], [*numbers, 0])[0, 1] > 0.99
        assert all(before.end_s <= after.start_s + 1e-9 for before, after in pairwise(window.words))
        assert 1 <= len(window.words) <= 12


def test_drawn_sentences_have_numbers_and_repetitions() -> None:
    draw = random.Random(0)
    sentences = [draw_sentence(draw, "en", 8) for _ in range(200)]
    assert any("dollars" in sentence for sentence in sentences)
    assert any(before == after for sentence in sentences for before, after in pairwise(sentence))
    assert {len(sentence) for sentence in sentences} == {8}


def test_edit_distance() -> None:
    assert edit_distance("a b c".split(), "a x c d".split()) == 2
    assert edit_distance([], ["a"]) == edit_distance(["a"], []) == 1
