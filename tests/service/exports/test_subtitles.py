"""SRT and WebVTT: cues that can be read, and files that other parsers read."""

import pytest
from rich.cells import cell_len

from can_ser_client.schemas import PredictOut
from service.exports.cues import LINE_WIDTH, LONGEST_MS, Cue, cut_cues
from service.exports.subtitles import write_srt, write_vtt
from tests.service.exports.answers import make_answer, make_utterance, read_srt, read_vtt, say

LONG = (
    "It was the best of times, it was the worst of times. It was the age of wisdom, it was the age of foolishness; "
    "it was the epoch of belief, it was the epoch of incredulity. We had everything before us. We had nothing."
)


def cut(response: PredictOut, *, emotions: bool = False) -> list[Cue]:
    return cut_cues(response, label_emotions=emotions, label_speakers=True)


@pytest.mark.parametrize("emotions", [False, True])
def test_long_utterance_is_cut_at_word_boundaries(emotions: bool) -> None:
    cues = cut(make_answer(make_utterance(say(LONG))), emotions=emotions)
    spoken = " ".join(cue.text.replace("[angry] ", "").replace("\n", " ") for cue in cues)
    assert spoken == LONG
    assert len(cues) > 3
    for cue in cues:
        lines = cue.text.splitlines()
        assert len(lines) <= 2
        assert all(cell_len(line) <= LINE_WIDTH for line in lines)
        assert 0 < cue.end_ms - cue.start_ms <= LONGEST_MS
        assert cue.text.startswith("[angry] ") == emotions
    assert all(cue.text[-1] in ".,;" for cue in cues)


def test_cues_have_the_times_of_their_words() -> None:
    words = say(LONG)
    starts = {round(1_000 * start_s): word for word, start_s, _ in words}
    for cue in cut(make_answer(make_utterance(words))):
        assert cue.text.split()[0] == starts[cue.start_ms]


@pytest.mark.parametrize("word_s", [0.5, 1.5, 7.5])
def test_slow_speech_is_cut_by_duration(word_s: float) -> None:
    cues = cut(make_answer(make_utterance(say("one two three four five six seven", word_s=word_s))))
    assert all(cue.end_ms - cue.start_ms <= LONGEST_MS for cue in cues)
    assert " ".join(cue.text for cue in cues) == "one two three four five six seven"


def test_pause_begins_a_cue() -> None:
    words = [*say("before the pause"), *say("after it", start_s=4.0)]
    assert [cue.text for cue in cut(make_answer(make_utterance(words)))] == ["before the pause", "after it"]


def test_short_cue_is_shown_until_next_one_at_most() -> None:
    response = make_answer(
        make_utterance(say("yes", 1.0)),
        make_utterance(say("no", 1.5)),
        make_utterance(say("well", 9.9)),
        duration_s=10.2,
    )
    assert [(cue.start_ms, cue.end_ms) for cue in cut(response)] == [(1_000, 1_500), (1_500, 2_333), (9_900, 10_200)]


def test_word_longer_than_a_line_is_not_cut() -> None:
    cues = cut(make_answer(make_utterance(say(f"a {'b' * 100} c"))))
    assert " ".join(cue.text.replace("\n", " ") for cue in cues).split() == ["a", "b" * 100, "c"]


def test_wide_characters_count_twice() -> None:
    cues = cut(make_answer(make_utterance(say(" ".join("東京の天気は晴れです" * 6), word_s=0.1))))
    assert all(cell_len(line) <= LINE_WIDTH for cue in cues for line in cue.text.splitlines())


def test_utterance_without_words_is_spread_over_its_time() -> None:
    response = make_answer(make_utterance([], text=LONG, start_s=2.0, end_s=22.0))
    cues = cut(response)
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == LONG
    assert (cues[0].start_ms, cues[-1].end_ms) == (2_000, 22_000)
    assert all(cue.end_ms - cue.start_ms <= LONGEST_MS for cue in cues)


def test_long_text_without_words_is_spread() -> None:
    """A quadratic sum would take hours for this text."""
    text = "a " * 300_000
    response = make_answer(make_utterance([], text=text, end_s=14_000.0))
    assert sum(len(cue.text.split()) for cue in cut(response)) == 300_000


def test_sound_without_words_has_a_cue_only_for_its_emotion() -> None:
    response = make_answer(make_utterance([("", 1.0, 3.0)], uncertain=True))
    assert write_srt(response) == b""
    assert read_srt(write_srt(response, "prefix"))[0].text == "[angry?]"
    assert read_vtt(write_vtt(response, "class")) == []


def test_speakers_and_emotions() -> None:
    first = make_utterance(say("good morning"), speaker="channel 1", emotion="very happy!", uncertain=True)
    second = make_utterance(say("good morning", 0.25), speaker="a & b")
    response = make_answer(first, second)
    assert [cue.text for cue in read_srt(write_srt(response))] == ["channel 1: good morning", "a & b: good morning"]
    assert read_srt(write_srt(response, "prefix"))[0].text == "[very happy!?] channel 1: good morning"
    vtt = write_vtt(response, "class").decode()
    assert "<v channel 1><c.very-happy-.uncertain>good morning</c>" in vtt
    assert "<v a &amp; b><c.angry>good morning</c>" in vtt
    cue, _ = read_vtt(vtt.encode())
    assert (cue.voice, cue.text) == ("channel 1", "good morning")


@pytest.mark.parametrize("text", [r"C:\new {\p1}x \N{i} \h", "a --> b", "<i>a</i> & b", "{curly} 1\u2028 2"])
def test_text_is_not_read_as_markup(text: str) -> None:
    response = make_answer(make_utterance([(word, i, i + 1.0) for i, word in enumerate(text.split(" "))]))
    srt = write_srt(response).decode().split("\n", 2)[2].strip()
    [vtt] = read_vtt(write_vtt(response))
    expected = text.replace("\u2028", "")
    assert srt.replace("\n", " ") == expected.replace("-->", "→")
    unescaped = vtt.raw_text.replace("\n", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == expected


def test_speakers_may_overlap_and_one_speaker_does_not() -> None:
    response = make_answer(
        make_utterance(say("one two three four"), speaker="a"),
        make_utterance(say("five six", 0.5), speaker="a"),
        make_utterance(say("seven eight", 0.25), speaker="b"),
    )
    cues = cut(response)
    own = [cue for cue in cues if cue.utterance.speaker == "a"]
    assert [cue.start_ms for cue in cues] == [0, 250, 500]
    assert own[0].end_ms <= own[1].start_ms


def test_warnings_are_comments_of_webvtt() -> None:
    warnings = ["the file is truncated", "an arrow --> and\n\na paragraph", "ünicode"]
    response = make_answer(make_utterance(say("hello"))).model_copy(update={"warnings": warnings})
    text = write_vtt(response).decode()
    head, *blocks = text.split("\n\n")
    assert head == "WEBVTT"
    assert blocks[:3] == [
        "NOTE warning: the file is truncated",
        "NOTE warning: an arrow → and a paragraph",
        "NOTE warning: ünicode",
    ]
    assert [cue.text for cue in read_vtt(text)] == ["hello"]
    assert "truncated" not in write_srt(response).decode()
