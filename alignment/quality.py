"""Quality of the sound of a recording."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SoundQuality:
    """Bandwidth and noise of a recording.

    Attributes:
        band_hz: Frequency at which the band of the sound ends; None where it is not limited.
        snr_db: Signal-to-noise ratio in decibels.
    """

    band_hz: float | None
    snr_db: float
