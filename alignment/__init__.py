"""Sound in, aligned words and MFCC segments out. Imports nothing of ours, and no torch."""
