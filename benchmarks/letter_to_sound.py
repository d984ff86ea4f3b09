"""Accuracy of the letter-to-sound rules on the dictionary of the recogniser.

python -m benchmarks.letter_to_sound
"""

from pathlib import Path

import numpy as np
import pocketsphinx
from nltk import edit_distance

from alignment.aligners.pocketsphinx.pronunciation import guess_phones

SAMPLE = 3_000


def read_dictionary() -> dict[str, list[str]]:
    """First pronunciation of every word that consists of letters."""
    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {word: phones for word, *phones in lines if word.isalpha()}


def main() -> None:
    """Print the phone error rate on a sample of words."""
    dictionary = read_dictionary()
    words = np.random.default_rng(0).choice(sorted(dictionary), SAMPLE, replace=False).tolist()
    guesses = {word: list(guess_phones(word)) for word in words}
    errors = sum(edit_distance(guesses[word], dictionary[word]) for word in words)
    phones = sum(len(dictionary[word]) for word in words)
    correct = sum(guesses[word] == dictionary[word] for word in words)
    print(f"{errors / phones:.1%} of {phones} phones wrong; {correct / SAMPLE:.1%} of {SAMPLE} words without errors")


if __name__ == "__main__":
    main()
