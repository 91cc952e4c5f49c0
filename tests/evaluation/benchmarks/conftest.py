import pytest

from tests.support import families
from uhrbat.engine import UHRBAT


@pytest.fixture(scope="session")
def family(tmp_path_factory):
    """A tiny SmolVLM: tiles of 512 px, 8 x 8 tokens, of which its coarsest scale has one."""
    folder = tmp_path_factory.mktemp("family")
    families.write(folder, "smolvlm")
    return UHRBAT.from_pretrained(str(folder), device="cpu")


@pytest.fixture
def small_family(family, monkeypatch):
    """The same with its coarsest scale alone."""
    monkeypatch.setattr(family.network.config, "scales", family.scales[:1])
    return family
