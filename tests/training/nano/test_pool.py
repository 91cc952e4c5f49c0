import numpy as np

from uhrbat.training.nano.pool import NO_KIND, label_tokens
from uhrbat.worlds import KINDS


def labels(box, size, kind=2):
    land = np.arange(288 * 288, dtype=np.uint32).reshape(288, 288) % 5
    return label_tokens([{"kind": kind, "color": 1, "box": box}], land.astype(np.uint8), size)


def test_an_object_inside_one_token_labels_that_token():
    found = labels([30, 16, 38, 24], 4032)
    assert np.argwhere(found.owner == 0).tolist() == [[1, 2]]
    assert found.center[1, 2] and found.center.sum() == 1
    assert found.kind[1, 2] == 2 and found.kind[0, 0] == NO_KIND


def test_a_sliver_does_not_label_a_token():
    found = labels([14, 14, 43, 42], 4032)
    assert found.owner[1, 1] == 0 and found.owner[1, 3] == -1


def test_an_object_too_small_at_a_scale_is_ignored_there():
    found = labels([100, 100, 106, 106], 672)
    assert (found.kind == NO_KIND).all()
    assert found.ignore.sum() == 1


def test_every_kind_has_an_index_below_no_kind():
    assert len(KINDS) == NO_KIND
