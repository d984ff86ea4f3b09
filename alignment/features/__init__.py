"""Aligned segmentation and MFCC features."""
