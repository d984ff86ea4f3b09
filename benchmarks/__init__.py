"""Figures that the documents quote; each module says how it is run."""
