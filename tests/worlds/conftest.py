import cv2
import pytest

from uhrbat.worlds import generate

SIZE = 1008
SPARSE_SEEDS = range(4_000_000, 4_000_005)
DENSE_SEED = 4_000_006


@pytest.fixture(scope="session")
def sparse_worlds():
    cv2.setNumThreads(1)
    return [generate(seed, SIZE) for seed in SPARSE_SEEDS]


@pytest.fixture(scope="session")
def dense_world():
    """One crowded world at the size at which objects' sizes are stated."""
    return generate(DENSE_SEED, 4032, dense=True)


@pytest.fixture(scope="session")
def worlds(sparse_worlds, dense_world):
    return [*sparse_worlds, dense_world]
