"""Corpora on disk: IEMOCAP and corpora in its format, RAVDESS, GoEmotions."""
