"""Feature extraction of a corpus of the size of IEMOCAP: 9.4 hours of wav, from disk to MFCC per word.

    python -m benchmarks.extraction [--utterances N] [--processes N]

The audio is noise (its content does not affect the time), in 16-bit wav files with the lengths of IEMOCAP. The
reference, on the first `--reference` utterances and in one process, computes the same segments with one
`librosa.feature.mfcc` call per word. Both must agree.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import librosa
import numpy as np
import soundfile
import typer
from numpy.typing import NDArray
from rich.progress import track

from alignment.audio import decode_audio
from alignment.features.extraction import FeatureSpec, segment_bounds
from alignment.timing import SAMPLE_RATE_HZ
from alignment.transcripts.words import TimedWord, Utterance
from benchmarks.iemocap_sized import UTTERANCES, draw_lengths, draw_shares
from model.corpora.records import CorpusUtterance
from model.data.features import FeatureSet, build_feature_set

_AGREEMENT_DB = 1e-3


def write_corpus(folder: Path, count: int) -> list[CorpusUtterance]:
    """Write the audio of the first `count` utterances and return the utterances."""
    generator = np.random.default_rng(0)
    seconds, words = draw_lengths(generator)
    return [
        _write_utterance(folder / f"{index}.wav", seconds[index], int(words[index]), generator)
        for index in track(range(count), "writing", transient=True)
    ]


def _write_utterance(wav: Path, length_s: float, words: int, generator: np.random.Generator) -> CorpusUtterance:
    samples = generator.normal(0, 0.1, int(length_s * SAMPLE_RATE_HZ)).astype(np.float32)
    soundfile.write(wav, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    ends = np.cumsum(draw_shares(generator, words)) * len(samples) / SAMPLE_RATE_HZ
    starts = np.concatenate(([0.0], ends[:-1]))
    timed = tuple(TimedWord("word", float(a), float(b), "aligned") for a, b in zip(starts, ends, strict=True))
    return CorpusUtterance(wav.stem, 1, "Ses01F", "Ses01F_impro01", "improvised", "neu", wav, timed)


def extract_word_by_word(utterances: Sequence[CorpusUtterance], spec: FeatureSpec) -> NDArray[np.float32]:
    """(frames, n_mfcc) of all segments, with one librosa call each."""
    cepstra = []
    for utterance in track(utterances, "librosa", transient=True):
        waveform = decode_audio(utterance.wav.read_bytes())
        spoken = Utterance(0.0, waveform.duration_s, utterance.words)
        bounds = segment_bounds(spoken, len(waveform.samples), spec)
        emphasised = librosa.effects.preemphasis(waveform.samples, coef=spec.mfcc.pre_emphasis, zi=np.zeros(1))
        cepstra += [_mfcc(emphasised[start:end], spec) for start, end in bounds.tolist()]
    return np.concatenate(cepstra)


def _mfcc(segment: NDArray[np.float32], spec: FeatureSpec) -> NDArray[np.float32]:
    mfcc = spec.mfcc
    padded = np.pad(segment, (0, max(0, mfcc.window_samples - len(segment))))
    power = librosa.feature.melspectrogram(
        y=np.pad(padded, (mfcc.n_fft - mfcc.window_samples) // 2), sr=SAMPLE_RATE_HZ, n_fft=mfcc.n_fft,
        win_length=mfcc.window_samples, hop_length=mfcc.hop_samples, window="hamming", center=False, n_mels=mfcc.n_mels,
    )  # fmt: skip
    decibels = librosa.power_to_db(power, top_db=None)
    cepstra: NDArray[np.float32] = librosa.feature.mfcc(S=decibels, n_mfcc=mfcc.n_mfcc).T
    return cepstra


def _time_ours(utterances: Sequence[CorpusUtterance], processes: int) -> tuple[FeatureSet, float]:
    started = time.perf_counter()
    features = build_feature_set(utterances, FeatureSpec(), processes=processes)
    return features, time.perf_counter() - started


def main(
    utterances: Annotated[int, typer.Option(min=1, max=UTTERANCES, help="Number of utterances.")] = UTTERANCES,
    processes: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 2,
    reference: Annotated[int, typer.Option(min=1, help="Utterances of the librosa reference.")] = 300,
) -> None:
    """Print hours, seconds and the ratio to the reference."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = write_corpus(Path(folder), utterances)
        hours = sum(soundfile.info(utterance.wav).duration for utterance in corpus) / 3600
        features, whole_s = _time_ours(corpus, processes)
        print(f"{hours:.2f} h of audio, {len(features.frames)} frames: {whole_s:.0f} s with {processes} processes")
        ours, ours_s = _time_ours(corpus[:reference], 1)
        started = time.perf_counter()
        reference_frames = extract_word_by_word(corpus[:reference], FeatureSpec())
        reference_s = time.perf_counter() - started
    difference = float(np.abs(ours.frames - reference_frames).max())
    if difference > _AGREEMENT_DB:
        raise SystemExit(f"the features differ from those of librosa by {difference:.2g} dB")
    print(
        f"first {len(corpus[:reference])} utterances, one process: {ours_s:.1f} s with its start, one librosa call "
        f"per word {reference_s:.1f} s ({reference_s / ours_s:.1f} ×), values within {difference:.1e} dB"
    )


if __name__ == "__main__":
    typer.run(main)
