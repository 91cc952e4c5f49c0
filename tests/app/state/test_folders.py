"""Nothing of a page is left behind, however it ended."""

import os
import subprocess
import sys
import tempfile

import pytest

from app.state import folders

MADE = "from app.state.folders import private_folder; print(private_folder('uploads'), flush=True)"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def run(temporary, code):
    environment = os.environ | {"TMPDIR": str(temporary)}
    subprocess.run([sys.executable, "-c", code], env=environment, timeout=300, check=False)
    return list(temporary.iterdir())


def test_a_folder_goes_with_its_process(temporary):
    assert run(temporary, MADE) == []


def test_what_a_killed_process_left_is_swept_once_it_is_old(temporary):
    (left,) = run(temporary, MADE + "; import os; os.kill(os.getpid(), 9)")
    (left / "upload.tif").write_bytes(b"x")
    folders.sweep()
    assert left.exists()
    os.utime(left, (0, 0))
    folders.sweep()
    assert not left.exists()


def test_folders_of_others_stay(temporary):
    mine = folders.private_folder("tiles")
    others = [temporary / "uhrbat-other", temporary / "something-1-x"]
    for folder in (mine, *others):
        folder.mkdir(exist_ok=True)
        os.utime(folder, (0, 0))
    folders.sweep()
    assert mine.exists() and all(folder.exists() for folder in others)
