import numpy as np
import pytest

from tests.support.results import same
from uhrbat import results
from uhrbat.errors import BusyError, Cancelled, ImageError, InputError, WorkerError
from uhrbat.results import Answer, AskResult, MethodResult, Progress, Run, ScaleMap
from uhrbat.serving import codec
from uhrbat.serving.protocol import Failure


@pytest.fixture
def asked():
    random = np.random.default_rng(0)
    scales = tuple(
        ScaleMap(
            size=size,
            importance=random.random(n).astype(np.float16),
            rank=(random.permutation(n) + 1).astype(np.int32),
            merged=random.random(n) < 0.3,
            region=random.integers(0, 9, n).astype(np.int32),
            members=np.ones(n, np.int32),
            padding=random.random(n) < 0.1,
            scored=size == 672,
        )
        for size, n in ((672, 2304), (1344, 9216))
    )
    run = Run("nano", "cpu", "float32", "similarity", "kmeans", "max", 0, {"encode": 1.5}, ("encode",), {"host": 9})
    answer = Answer("vier Schiffe \n ✓", ((1.5, 2.0),), 400, {"prefill": 0.1})
    return AskResult("a" * 64, "how many?", scales, (80, 320), (), answer, None, run)


def lines_of(raw, piece):
    lines, found = codec.Lines(), []
    for start in range(0, len(raw), piece):
        found += lines.feed(raw[start : start + piece])
    return found


@pytest.mark.parametrize("piece", [1, 7, 4096, 10**9])
def test_a_stream_in_pieces_of_any_size_gives_the_same_lines(asked, piece):
    point = MethodResult("random", asked.answer, 0.5, (), {672: np.arange(5, dtype=np.uint8)})
    raw = (
        codec.to_line("progress", Progress("encode", 0.5, "3 of 6 tiles"))
        + codec.to_line("partial", point)
        + (b"" if piece == 1 else codec.to_line("result", asked))
    )
    found = lines_of(raw, piece)
    assert [line.type for line, _ in found] == ["progress", "partial", "result"][: len(found)]
    assert same(codec.from_line(*found[0], Progress), Progress("encode", 0.5, "3 of 6 tiles"))
    assert same(codec.from_line(*found[1], MethodResult), point)
    if piece > 1:
        assert same(codec.from_line(*found[2], AskResult), asked)


def test_a_line_of_json_stays_one_line(asked):
    head = codec.to_line("result", asked).split(b"\n", 1)[0]
    assert codec.read_line(head).value["answer"]["text"] == "vier Schiffe \n ✓"


@pytest.mark.parametrize("error", [InputError, ImageError, BusyError, Cancelled, WorkerError, codec.UnknownImage])
def test_errors_keep_their_meaning(error):
    line, _ = codec.Lines().feed(codec.failure_line(error("why")))[0]
    read = codec.error_of(Failure.model_validate(line.value))
    assert type(read) is error
    assert str(read) == "why"


def test_what_is_no_line_is_a_worker_error():
    with pytest.raises(WorkerError, match="cannot be read"):
        codec.Lines().feed(b"<html>\n")


def test_a_result_of_another_shape_is_a_worker_error():
    line, blob = codec.Lines().feed(codec.to_line("result", Progress("x", 0.0)))[0]
    with pytest.raises(WorkerError, match="does not fit"):
        codec.from_line(line, blob, AskResult)


def test_every_action_has_a_result_and_a_request():
    from uhrbat.serving import protocol

    assert set(results.RESULTS) == set(protocol.ACTIONS)
