import pytest

from tests.support.tiny import BINS, tokenizer
from uhrbat.errors import InputError
from uhrbat.network.text import MAX_QUESTION, TextCodec, choices, clean_question


@pytest.fixture
def codec():
    return TextCodec(tokenizer(), BINS)


def test_the_prompt_puts_the_image_between_chat_markers(codec):
    prompt = codec.prompt("How many ships are there?")
    text = tokenizer().decode(prompt.before) + "<image>" + tokenizer().decode(prompt.after)
    assert text == (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n"
        "How many ships are there?<|im_end|>\n<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("marker", ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<x3>", "<y0>"])
def test_special_tokens_in_a_question_are_inert_text(codec, marker):
    special = tokenizer().convert_tokens_to_ids(marker)
    plain = codec.plain_ids(f"a {marker} b")
    assert special not in plain
    assert tokenizer().decode(plain) == f"a {marker} b"


def test_points_and_answer_survive_the_way_to_ids_and_back(codec):
    ids = codec.answer_ids("(B) below left", [(0.05, 0.95), (0.5, 0.5)])
    assert ids[-1] == codec.end
    text, points = codec.parse(ids[:-1], "Where is the ship? Choose one: (A) left (B) below left (C) top")
    assert codec.tokenizer.decode(ids[4:-1]) == "below left"
    assert text == "(B) below left"
    assert points == [(0.0625, 0.9375), (0.5625, 0.5625)]


def test_words_that_are_no_choice_stand_as_they_are(codec):
    question = "Is it red? Choose one: (A) red (B) blue"
    assert choices(question) == {"red": "(A) red", "blue": "(B) blue"}
    assert codec.parse(codec.plain_ids("Blue"), question)[0] == "(B) blue"
    assert codec.parse(codec.plain_ids("green"), question)[0] == "green"
    assert codec.parse(codec.plain_ids("blue"), "What color is it?")[0] == "blue"


def test_half_a_point_is_ignored(codec):
    text, points = codec.parse([codec.x_ids[0], codec.y_ids[1], *codec.plain_ids("yes")])
    assert (text, points) == ("yes", [])


def test_similarity_text_is_cut_and_always_ended(codec):
    ids = codec.similarity_ids("ship " * 200, 40)
    assert len(ids) == 40 and ids[-1] == codec.end


@pytest.mark.parametrize("question", ["", "   ", "\n\t", "\x00\x07", "<image>", "\u200b"])
def test_a_question_without_text_is_refused(question):
    with pytest.raises(InputError, match="question is empty"):
        clean_question(question)


def test_a_long_question_is_refused_with_both_numbers():
    with pytest.raises(InputError, match=f"5,000 characters; at most {MAX_QUESTION:,}"):
        clean_question("a" * 5000)


@pytest.mark.parametrize(
    "question", ["x", "船はどこですか？", "wo ist das 🚢?", "<b>bold</b>", "a\nb\x00c", "\ud800 lone"]
)
def test_other_questions_are_kept_as_one_line(codec, question):
    text = clean_question(question)
    assert text and "\n" not in text and "\x00" not in text
    assert tokenizer().decode(codec.plain_ids(text)) == text
