import numpy as np

from model.data.emotion_vectors import TuningTexts, comment_words, frequent_words, reduce_dimensions, tune


def test_reduction_preserves_distances() -> None:
    generator = np.random.default_rng(0)
    plane = generator.standard_normal((50, 2)).astype(np.float32)
    wide = plane @ generator.standard_normal((2, 20)).astype(np.float32)
    reduced = reduce_dimensions(wide, 2, fitted_on=50)
    assert reduced.shape == (50, 2)

    def distances(vectors: np.ndarray) -> np.ndarray:
        norms: np.ndarray = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1).ravel()
        return norms

    centred = wide - wide.mean(axis=0)
    assert np.corrcoef(distances(reduced), distances(centred))[0, 1] > 0.95


def test_words_of_the_comments_are_added_to_the_frequent_ones() -> None:
    frequent = frequent_words(30)
    assert len(frequent) == 30
    assert frequent[0] in {"the", "i", "to", "and", "a", "you"}
    texts = TuningTexts([("meh", frequent[0]), ("meh", "once"), (frequent[0],)], np.zeros((3, 1), np.float32))
    assert comment_words(texts, frequent) == ["meh"]


def test_tuning_aligns_words_of_one_emotion() -> None:
    words = ["awful", "great", "the", "bad", "good"]
    texts = TuningTexts(
        words=[("the", word) for word in ("awful", "bad", "great", "good")] * 64,
        classes=np.array([[1, 0], [1, 0], [0, 1], [0, 1]] * 64, np.float32),
    )
    start = 0.01 * np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    tuned = tune(start, words, texts, epochs=20, seed=0)
    awful, great, _, bad, good = tuned
    assert awful @ bad > 0 > awful @ good
    assert great @ good > 0 > great @ bad
    np.testing.assert_array_equal(tuned, tune(start, words, texts, epochs=20, seed=0))
