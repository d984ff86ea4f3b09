"""Responses as files of other tools: subtitles, Praat, RTTM, tables. Pure functions; libraries load when needed."""
