from alignment.aligners.moonshine.tokenizer import Tokenizer, WrittenWord


def vocabulary(*pieces: str) -> Tokenizer:
    data = b""
    for piece in pieces:
        spelled = piece.encode()
        length = len(spelled)
        data += (bytes([length]) if length < 128 else bytes([128 + length % 128, length // 128])) + spelled
    return Tokenizer(data)


def test_words_are_split_at_spaces_with_their_tokens() -> None:
    tokenizer = vocabulary("▁She", "▁paid", "▁for", "ty", "-", "two", ".")
    assert tokenizer.words([0, 1, 2, 3, 4, 5, 6]) == [
        WrittenWord("She", 0, 1),
        WrittenWord("paid", 1, 2),
        WrittenWord("forty-two.", 2, 7),
    ]


def test_characters_of_several_tokens_are_joined() -> None:
    tokenizer = Tokenizer(b"\x01\xc3\x01\xa9\x06caf\xe2\x96\x81")
    assert tokenizer.words([2, 0, 1]) == [WrittenWord("caf", 0, 1), WrittenWord("é", 1, 3)]


def test_long_pieces_have_a_length_of_two_bytes() -> None:
    assert vocabulary("▁a", "b" * 300).words([0, 1]) == [WrittenWord("a" + "b" * 300, 0, 2)]


def test_no_tokens_give_no_words() -> None:
    assert vocabulary("▁").words([0, 0]) == []
