"""Warnings of a live connection, those of POST /predict: each about the sound or the weights is sent once."""

import re
from collections.abc import Sequence
from typing import Final

from service.inference.engine import EmotionEngine
from service.inference.result import ScoredUtterance
from service.results.serialisation import warn_of_words

_NUMBERS: Final = re.compile(r"\d+(\.\d+)?")


class LiveWarnings:
    """Warnings so far; as many as there are kinds, because texts that differ in numbers only are one kind."""

    def __init__(self, engine: EmotionEngine) -> None:
        self._engine = engine
        self._session: dict[str, str] = {}

    def add(self, scored: Sequence[ScoredUtterance], about_words: Sequence[str]) -> list[str]:
        """Warnings of a result: those about its words, and those about the sound and the weights that are new.

        Args:
            scored: The result.
            about_words: Warnings of the aligner.
        """
        about_sound = [warning for each in scored if each.quality for warning in each.quality.warnings]
        kinds = {_NUMBERS.sub("", warning): warning for warning in [*about_sound, *self._engine.notices]}
        new = {kind: warning for kind, warning in kinds.items() if kind not in self._session}
        self._session |= new
        return [*about_words, *new.values()]

    def summarise(self, scored: Sequence[ScoredUtterance]) -> list[str]:
        """Warnings of the whole connection: about the sound, the weights, and the words of all utterances."""
        return [*self._session.values(), *(warn_of_words(scored, self._engine) if scored else ())]
