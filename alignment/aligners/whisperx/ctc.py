"""Most likely times of known symbols in the output of a CTC network, for several recordings at once.

The recurrence is the one of WhisperX and of PyTorch's tutorial; here each step advances every symbol of every sound in
one operation and stores one bit per symbol.

Source: Graves et al. 2006, "Connectionist Temporal Classification", ICML; Kürzinger et al. 2020, "CTC-Segmentation".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Emission:
    """Network output and the symbols to align with it.

    Attributes:
        log_probabilities: (frames, symbols) float32.
        symbols: (tokens,) int64, columns of the spoken symbols, in order.
    """

    log_probabilities: NDArray[np.float32]
    symbols: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SymbolTimes:
    """Frames and score of each symbol.

    Attributes:
        starts: (tokens,) int64, first frame.
        ends: (tokens,) int64, frame after the last one, with the blanks that follow.
        scores: (tokens,) float64, mean probability over these frames.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    scores: NDArray[np.float64]


def align_symbols(emissions: Sequence[Emission], blank: int) -> list[SymbolTimes | None]:
    """Times of the symbols of each sound; None where there are more symbols than frames, or no symbols.

    Args:
        emissions: One per sound, of any lengths.
        blank: Column of CTC's blank.
    """
    possible = [index for index, each in enumerate(emissions) if 0 < len(each.symbols) <= len(each.log_probabilities)]
    times: list[SymbolTimes | None] = [None] * len(emissions)
    if possible:
        chosen = [emissions[index] for index in possible]
        advanced, ends = _advance(chosen, blank)
        for row, (index, emission) in enumerate(zip(possible, chosen, strict=True)):
            times[index] = _trace_back(emission, advanced[:, row], int(ends[row]), blank)
    return times


def _advance(emissions: Sequence[Emission], blank: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(frames, sounds, bytes) one bit per symbol, set where it begins; (sounds,) likeliest end of the last symbol."""
    frames = np.array([len(each.log_probabilities) for each in emissions])
    tokens = np.array([len(each.symbols) for each in emissions])
    logs = np.zeros(
        (frames.max(), len(emissions), max(each.log_probabilities.shape[1] for each in emissions)), np.float32
    )
    symbols = np.zeros((len(emissions), tokens.max()), np.int64)
    for index, each in enumerate(emissions):
        logs[: frames[index], index, : each.log_probabilities.shape[1]] = each.log_probabilities
        symbols[index, : tokens[index]] = each.symbols
    silence = np.cumsum(logs[:, :, blank], axis=0, dtype=np.float64).astype(np.float32)
    row = np.full((len(emissions), tokens.max() + 1), -np.inf, np.float32)
    row[:, 0] = 0.0
    best, ends = np.full(len(emissions), -np.inf), np.zeros(len(emissions), np.int64)
    rows = np.arange(len(emissions))
    advanced = np.empty((len(logs), len(emissions), -(-tokens.max() // 8)), np.uint8)
    for frame, log in enumerate(logs):
        stay = row[:, 1:] + log[:, blank, None]
        change = row[:, :-1] + log[rows[:, None], symbols]
        advanced[frame] = np.packbits(change > stay, axis=1)
        np.maximum(stay, change, out=row[:, 1:])
        row[:, 0] = silence[frame]
        last = row[rows, tokens]
        better = (last > best) & (frame < frames)
        best[better], ends[better] = last[better], frame + 1
    return advanced, ends


def _trace_back(emission: Emission, advanced: NDArray[np.uint8], end: int, blank: int) -> SymbolTimes:
    """Follow the best path from the last symbol's likeliest end to the first symbol's start."""
    tokens = len(emission.symbols)
    starts = np.empty(tokens, np.int64)
    token, frame = tokens - 1, end
    while token >= 0:
        frame -= 1
        if advanced[frame, token >> 3] >> (7 - (token & 7)) & 1:
            starts[token] = frame
            token -= 1
    ends = np.append(starts[1:], end)
    logs = emission.log_probabilities
    blanks = np.concatenate(([0.0], np.cumsum(np.exp(logs[:, blank].astype(np.float64)))))
    symbols = np.exp(logs[starts, emission.symbols].astype(np.float64))
    return SymbolTimes(starts, ends, (symbols + blanks[ends] - blanks[starts + 1]) / (ends - starts))
