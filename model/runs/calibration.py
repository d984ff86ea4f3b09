"""Calibration of the weights to serve by finished folds, and figures of folds that leave out a whole corpus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from model.calibration import Calibration
from model.corpora.pairing import Sentence
from model.data.prepared import FrameSummary, PreparedData, summarise_frames
from model.data.splits import Split
from model.runs.folder import Run
from model.scores import log_softmax
from model.training.calibration import HeldOut, fit_calibration, fit_reference, join_held_out
from model.training.metrics import calibration_error, compute_metrics


@dataclass(frozen=True, eq=False)
class FinishedFolds:
    """Finished folds of a run, to calibrate by.

    Attributes:
        run: The run.
        data: Its data.
        speakers: Folds that leave out speakers, or random utterances.
        corpora: Folds that leave out a corpus; possibly none.
    """

    run: Run
    data: PreparedData
    speakers: Sequence[Split]
    corpora: Sequence[Split] = ()

    def calibrate(self) -> Calibration:
        """Calibration fitted on all held-out parts: validation parts or, without these, test parts."""
        return fit_calibration(join_held_out(self._fitted_on), self._unseen_corpora)

    def held_out_count(self) -> int:
        """Number of utterances that the calibration is fitted on."""
        return sum(len(part.labels) for part in self._fitted_on)

    def calibration_errors(self) -> list[float] | None:
        """Calibration error of the test part of each fold, calibrated by other data; None if there is no other data.

        A fold whose test part has no emotion of its training part is left out.
        The calibration is fitted on the fold's validation part or, without one, on the test parts of the other folds.
        """
        if len(self.speakers) == 1 and not len(self.speakers[0].validation):
            return None
        errors = []
        for number, split in enumerate(self.speakers):
            others = [part for other, part in enumerate(self._fitted_on) if other != number]
            fitted_on = [self._fitted_on[number]] if len(split.validation) else others
            calibration = fit_calibration(join_held_out(fitted_on), self._unseen_corpora)
            test = self._hold_out(split, "test")
            errors += [_measure_error(test, calibration)] if len(test.labels) else []
        return errors

    def measure_corpora(self, sentences: Mapping[str, Sentence]) -> dict[str, dict[str, Any]]:
        """Metrics of each corpus that was left out, on its unchanged recordings.

        UA is over the emotions of both training and test. The calibration error is at a constant temperature, and with
        a calibration that grows with the distance, both fitted without this corpus.
        """
        everybody = join_held_out(self._fitted_on)
        constant = fit_calibration(everybody)
        figures = {}
        for number, split in enumerate(self.corpora):
            others = [part for other, part in enumerate(self._unseen_corpora) if other != number]
            errors = {
                "calibration_error_constant": _measure_error(self._unseen_corpora[number], constant),
                "calibration_error": _measure_error(self._unseen_corpora[number], fit_calibration(everybody, others)),
            }
            figures[split.name.removeprefix("without-")] = self._measure(split, sentences) | errors
        return figures

    def _measure(self, split: Split, sentences: Mapping[str, Sentence]) -> dict[str, Any]:
        indices, logits = self.run.logits(split, "test")
        labels = self.data.labels[indices]
        shared = np.intersect1d(self.data.labels[split.train], labels)
        clean = np.array([sentences[self.data.names[index]].changed == "clean" for index in indices], bool)
        used = clean & np.isin(labels, shared)
        true = np.searchsorted(shared, labels[used])
        scores = {"ua": logits.final(self._alpha), "ua_sound": log_softmax(logits.unimodal["audio"])}
        names = self.run.experiment().labels
        return {
            "labels": [names[index] for index in shared],
            "trained_on": len(split.train),
            "clips": int(used.sum()),
            **{name: compute_metrics(rows[used][:, shared], true).ua for name, rows in scores.items()},
        }

    @property
    def _alpha(self) -> float:
        return self.run.experiment().training.alpha

    @cached_property
    def _frames(self) -> FrameSummary:
        return summarise_frames(self.data.by_speed[0])

    @cached_property
    def _fitted_on(self) -> list[HeldOut]:
        parts = ["validation" if len(split.validation) else "test" for split in self.speakers]
        return [self._hold_out(split, part) for split, part in zip(self.speakers, parts, strict=True)]

    @cached_property
    def _unseen_corpora(self) -> list[HeldOut]:
        return [self._hold_out(split, "test") for split in self.corpora]

    def _hold_out(self, split: Split, part: str) -> HeldOut:
        """Predictions for the utterances of a part whose emotion is one of the training part."""
        indices, logits = self.run.logits(split, part)
        labels = self.data.labels
        known = np.isin(labels[indices], labels[split.train])
        used = indices[known]
        distances = fit_reference(self._frames, split.train).distances(self._frames.means[used])
        return HeldOut(logits.final(self._alpha)[known], labels[used], distances, self._frames.counts[used])


def _measure_error(part: HeldOut, calibration: Calibration) -> float:
    return calibration_error(part.calibrated(calibration), part.labels)
