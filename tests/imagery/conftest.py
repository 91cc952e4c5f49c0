import pytest

from tests.support.made_images import make_all


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Every made file by its name."""
    return {file.path.name: file for file in make_all(tmp_path_factory.mktemp("made"))}
