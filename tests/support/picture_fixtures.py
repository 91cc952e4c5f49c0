"""The made pictures, written once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.made_pictures import write, write_own, write_pool
from uhrbat.data.real import Picture, read_pictures


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="session")
def own(tmp_path_factory) -> Path:
    return write_own(tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="session")
def pictures(root, own) -> list[Picture]:
    return read_pictures(root, own)


@pytest.fixture(scope="session")
def pool(tmp_path_factory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool"))
