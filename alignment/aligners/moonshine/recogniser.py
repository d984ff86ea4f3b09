"""Greedy decoding of the words of a stretch of speech by Moonshine, from the states of its encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignment.aligners.moonshine.encoder import MIN_SAMPLES, MoonshineEncoder
from alignment.aligners.moonshine.model_files import ModelFiles, verify_file
from alignment.aligners.moonshine.tokenizer import Tokenizer
from alignment.onnx_session import open_session
from alignment.timing import samples_to_seconds
from alignment.transcripts.normalisation import spoken_forms

_START, _END = 1, 2
# The limit of the published decoding, and a margin for short stretches of fast speech.
_TOKENS_PER_S: Final = 6.5
_EXTRA_TOKENS: Final = 6
# The decoder is in a loop when its last tokens repeat a short sequence so often, faster than words are spoken.
_LOOP_TOKENS_PER_S: Final = 4.5
_LOOP_REPETITIONS: Final = 4
_LOOP_TOKENS: Final = 12
_LONGEST_PERIOD: Final = 16


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """Result of decoding.

    Attributes:
        words: Written words that have a spoken form.
        scores: Geometric mean of the probabilities of each word's tokens.
        certainty: Mean logarithm of the probabilities of all tokens; -inf without a token.
        token_count: Number of tokens.
    """

    words: tuple[str, ...]
    scores: tuple[float, ...]
    certainty: float
    token_count: int


class MoonshineRecogniser:
    """Encoder and decoder; thread-safe."""

    def __init__(self, files: ModelFiles, threads: int = 1) -> None:
        """Verify and load the model.

        Args:
            files: Files of the model.
            threads: Threads of one call.

        Raises:
            AlignerUnavailableError: A file is missing or altered.
        """
        for path in (files.decoder, files.tokenizer):
            verify_file(path)
        self._encoder = MoonshineEncoder(files.encoder, threads)
        self._encoder.load()
        self._decoder = open_session(files.decoder, threads)
        self._tokenizer = Tokenizer.read(files.tokenizer)
        inputs = {each.name: each.shape for each in self._decoder.get_inputs()}
        self._caches: dict[str, tuple[int, ...]] = {
            name: (1, shape[1], 0, shape[3]) for name, shape in inputs.items() if name.startswith("past_")
        }

    def encode(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the encoder states, (frames, 288), a frame every 24 ms.

        Args:
            samples: (samples,) float32 at 16 kHz; zeros are added to less than 0.1 s.
        """
        return self._encoder.encode(samples)

    def decode(self, states: NDArray[np.float32], sample_count: int) -> RecognisedText:
        """Decode greedily, until the end of the text, a limit of tokens per second, or a loop.

        Args:
            states: (frames, 288) of a stretch of speech.
            sample_count: Number of samples of the stretch.
        """
        step = _DecoderStep(self._decoder, self._caches, states, max(sample_count, MIN_SAMPLES))
        duration_s = samples_to_seconds(sample_count)
        limit = int(duration_s * _TOKENS_PER_S) + _EXTRA_TOKENS
        tokens: list[int] = []
        logs: list[float] = []
        token = _START
        while len(tokens) < limit:
            logits = step.run(token)
            token = int(logits.argmax())
            if token == _END:
                break
            tokens.append(token)
            logs.append(-float(np.log(np.exp(logits - logits[token]).sum(dtype=np.float64))))
            if len(tokens) > duration_s * _LOOP_TOKENS_PER_S and (kept := find_loop(tokens)):
                del tokens[kept:], logs[kept:]
                break
        return self._spell(tokens, logs)

    def _spell(self, tokens: Sequence[int], logs: Sequence[float]) -> RecognisedText:
        written = self._tokenizer.words(tokens)
        forms = spoken_forms([word.text for word in written])
        spoken = [word for word, form in zip(written, forms, strict=True) if form]
        return RecognisedText(
            tuple(word.text for word in spoken),
            tuple(float(np.exp(np.mean(logs[word.first_token : word.end_token]))) for word in spoken),
            float(np.mean(logs)) if logs else -inf,
            len(tokens),
        )


class _DecoderStep:
    """Decoder with its cache of keys and values; those over the encoder states are computed in the first step."""

    def __init__(
        self, session: Any, caches: dict[str, tuple[int, ...]], states: NDArray[np.float32], sample_count: int
    ) -> None:
        self._session = session
        self._inputs: dict[str, NDArray[Any]] = {
            "encoder_hidden_states": states[None],
            "encoder_attention_mask": np.ones((1, sample_count), np.int64),
            **{name: np.zeros(shape, np.float32) for name, shape in caches.items()},
        }
        self._all = list(caches)
        self._growing = [name for name in caches if ".decoder." in name]
        self._first = True

    def run(self, token: int) -> NDArray[np.float32]:
        """Logits, (vocabulary,), of the token after `token`."""
        changed = self._all if self._first else self._growing
        inputs = {"input_ids": np.array([[token]], np.int64), "use_cache_branch": np.array([not self._first])}
        outputs = ["logits", *(name.replace("past_key_values", "present") for name in changed)]
        logits, *caches = self._session.run(outputs, self._inputs | inputs)
        self._inputs.update(zip(changed, caches, strict=True))
        self._first = False
        last: NDArray[np.float32] = logits[0, -1]
        return last


def find_loop(tokens: Sequence[int]) -> int:
    """Number of tokens up to the end of the first repetition, if the last ones are a loop; 0 if they are not.

    A loop is a sequence of up to 16 tokens that is repeated at least four times and over at least twelve tokens.
    """
    for period in range(1, min(_LONGEST_PERIOD, len(tokens) // _LOOP_REPETITIONS) + 1):
        repetitions = _count_repetitions(tokens, period)
        if repetitions >= _LOOP_REPETITIONS and repetitions * period >= _LOOP_TOKENS:
            return len(tokens) - period * (repetitions - 1)
    return 0


def _count_repetitions(tokens: Sequence[int], period: int) -> int:
    """Number of times that the last `period` tokens stand at the end of a sequence."""
    last = tokens[-period:]
    count = 1
    while tokens[-period * (count + 1) : -period * count] == last:
        count += 1
    return count
