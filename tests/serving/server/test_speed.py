import pytest

from uhrbat.serving.server.speed import Pace, PrefillSpeed


def speed_of(*read):
    speed = PrefillSpeed()
    for tokens, seconds in read:
        speed.add(tokens, seconds)
    return speed.estimate()


def test_overhead_and_speed_are_told_apart():
    found = speed_of(*((tokens, 0.5 + tokens / 2000) for tokens in (64, 170, 3000, 8000)))
    assert (found.overhead_seconds, found.tokens_per_second) == pytest.approx((0.5, 2000))


def test_one_slow_answer_does_not_move_the_estimate():
    """The page said 0.6 to 31 seconds for the same 3,000 tokens."""
    quiet = [(tokens, 0.2 + tokens / 2000) for tokens in (1000, 3000, 5000, 8000, 2000)]
    found = speed_of(*quiet, (3000, 31.0))
    assert found.overhead_seconds + 3000 / found.tokens_per_second == pytest.approx(1.7, rel=0.2)


@pytest.mark.parametrize("read", [(), [(4, 0.6)], [(64, 2.0), (170, 1.9)]])
def test_few_tokens_say_nothing(read):
    assert speed_of(*read) is None


def test_answers_at_one_budget_give_their_median_speed():
    found = speed_of((3000, 1.5), (3000, 1.4), (3000, 9.0))
    assert found.overhead_seconds == 0 and 3000 / found.tokens_per_second == pytest.approx(1.5)


def test_only_the_last_answers_count():
    found = speed_of(*[(3000, 30.0)] * 40, *[(3000, 1.5)] * 15)
    assert found.tokens_per_second == pytest.approx(2000)


def test_a_pace_is_that_of_the_last_times():
    pace = Pace()
    assert pace.seconds is None
    for units, seconds in ((10, 1), (0, 5), (20, 2), (1, 3)):
        pace.add(units, seconds)
    assert pace.seconds == pytest.approx(0.1)
