import pytest

from tests.support.made_images import make_all, shared_data


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Every made file by its name."""
    return {file.path.name: file for file in make_all(tmp_path_factory.mktemp("made"))}


@pytest.fixture(scope="session")
def data():
    """The folder of shared test data; tests that need it are skipped where it is absent."""
    folder = shared_data()
    if folder is None:
        pytest.skip("../shared/data is not beside this checkout (set UHRBAT_SHARED to the shared folder)")
    return folder
