import time

from uhrbat.serving.server.deadline import Deadline


def test_a_deadline_counts_only_the_time_on_the_device():
    deadline = Deadline(0.5)
    with deadline:
        pass
    time.sleep(0.6)
    assert not deadline.is_set()
    with deadline:
        time.sleep(0.6)
        assert deadline.is_set()
    assert deadline.out_of_time
    assert not deadline.cancelled
