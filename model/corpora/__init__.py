"""Readers of corpora: IEMOCAP and corpora in its format, RAVDESS, GoEmotions."""
