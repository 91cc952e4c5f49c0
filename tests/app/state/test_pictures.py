import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import examples
from app.limits import PageLimits
from app.state.pictures import Picture, Shelf
from tests.support import hostile
from tests.support.made_images import write_tiff
from tests.support.running import until
from uhrbat.errors import Cancelled, ImageError, InputError, WorkerError
from uhrbat.imagery import Rendering, read_canvas


def tiles_in(explorer):
    """Uploaded pictures' tiles, finished or not."""
    return [path.name for path in explorer.shelf.folder.iterdir() if not path.name.startswith("example-")]


def test_a_file_becomes_a_picture(explorer, worker, wide_photo):
    *progress, picture = explorer.shelf.ingest(wide_photo)
    assert isinstance(picture, Picture) and (picture.info.width, picture.info.height) == (900, 500)
    assert all(0 <= step <= 1 for step in progress) and progress == sorted(progress)
    assert picture.image in worker.files and explorer.shelf.get(picture.id) is picture


def test_ids_are_long_and_never_the_same(explorer, wide_photo):
    ids = {list(explorer.shelf.ingest(wide_photo))[-1].id for _ in range(3)}
    assert len(ids) == 3 and all(len(id) >= 16 for id in ids)


@pytest.mark.parametrize("content", [b"", b"hello, I am a text", b"\xff\xd8\xff\xe0" + bytes(64)])
def test_a_wrong_file_is_refused_in_one_sentence_and_leaves_nothing(explorer, tmp_path, content):
    path = tmp_path / "wrong.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="wrong.jpg"):
        list(explorer.shelf.ingest(path))
    assert tiles_in(explorer) == []


def test_a_truncated_jpeg_is_refused(explorer, wide_photo, tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(wide_photo.read_bytes()[:9000])
    with pytest.raises(ImageError, match="cut"):
        list(explorer.shelf.ingest(path))
    assert tiles_in(explorer) == []


def test_a_single_pixel_is_an_image(explorer, tmp_path):
    path = tmp_path / "one.png"
    Image.new("RGB", (1, 1), "red").save(path)
    picture = list(explorer.shelf.ingest(path))[-1]
    assert picture.reader.tile(0, 0, 0)[:2] == b"\xff\xd8"


def test_leaving_early_stops_the_work(explorer, tmp_path, monkeypatch):
    at_work, stopped = [], []

    def slow(path, out, info=None, progress=None, cancel=None):
        at_work.append(True)
        until(cancel)
        stopped.append(True)
        raise Cancelled("stopped")

    monkeypatch.setattr("uhrbat.imagery.apart.write_pyramid", slow)
    path = tmp_path / "slow.png"
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(path)
    work = explorer.shelf.ingest(path)
    next(work)
    until(lambda: at_work)
    work.close()
    until(lambda: stopped)


@pytest.mark.parametrize("limit", [{"tiles_hours": 1e-9}, {"tiles_bytes": 1}])
def test_uploads_too_old_or_too_many_are_let_go_and_examples_stay(worker, wide_photo, tmp_path, limit):
    shelf = Shelf(lambda: worker, tmp_path / "t", PageLimits(**limit))
    upload = list(shelf.ingest(wide_photo))[-1]
    example = list(shelf.example(examples.load()[2]))[-1]
    time.sleep(0.01)
    shelf.expire()
    assert shelf.get(upload.id) is None and not upload.tiles.exists()
    assert shelf.get(example.id) is example and example.tiles.exists()
    assert list(shelf.example(examples.load()[2])) == [example]  # its tiles are written once
    shelf.close()


def test_over_the_quota_the_longest_unused_upload_goes_first(worker, wide_photo, tmp_path):
    shelf = Shelf(lambda: worker, tmp_path / "t", PageLimits(tiles_bytes=10**9))
    old, used, new = (list(shelf.ingest(wide_photo))[-1] for _ in range(3))
    shelf.get(used.id)
    shelf.limits = PageLimits(tiles_bytes=int(2.5 * (used.tiles.stat().st_size + used.path.stat().st_size)))
    shelf.expire()
    assert not old.tiles.exists() and used.tiles.exists() and new.tiles.exists()
    shelf.close()


def test_expiry_does_not_wait_for_a_visitor(worker, wide_photo, tmp_path):
    shelf = Shelf(lambda: worker, tmp_path / "t", PageLimits(tiles_hours=1 / 3600))
    picture = list(shelf.ingest(wide_photo))[-1]
    until(lambda: not picture.tiles.exists() and not picture.path.exists())
    assert picture.released
    shelf.close()


def test_a_picture_that_is_asked_about_is_in_use(explorer, picture):
    picture.used = 0.0
    session = explorer.sessions.of("page")
    session.picture = picture
    session.needs_picture()
    explorer.shelf.expire()
    assert not picture.released and picture.tiles.exists()


def test_a_picture_that_has_expired_says_so_when_it_is_asked_about(explorer, picture):
    session = explorer.sessions.of("page")
    session.picture, picture.used = picture, -1e9
    explorer.shelf.expire()
    with pytest.raises(InputError, match="open it again"):
        session.needs_picture()


@pytest.fixture
def uploaded(wide_photo, tmp_path):
    """A file as Gradio keeps an upload: for a while, then it is gone."""
    return Path(shutil.copy(wide_photo, tmp_path / "two words.jpg"))


def test_a_picture_keeps_its_file_when_the_upload_is_deleted(explorer, worker, uploaded):
    picture = list(explorer.shelf.ingest(uploaded))[-1]
    uploaded.unlink()
    again = list(explorer.shelf.ingest(picture.path, picture.name, rendering=Rendering(bands=(3, 2, 1))))[-1]
    assert again.name == "two words.jpg" and again.image == picture.image
    explorer.shelf.release(picture)
    assert not picture.path.exists() and again.path.exists()
    assert worker.files[again.image] == again.path  # from there it can be sent to the worker again


def test_a_file_that_is_refused_is_not_kept(explorer, uploaded):
    uploaded.write_bytes(uploaded.read_bytes()[:9000])
    with pytest.raises(ImageError, match="two words"):
        list(explorer.shelf.ingest(uploaded))
    assert list(explorer.shelf._originals.folder.iterdir()) == []


def test_the_files_of_pictures_count_for_the_quota(worker, uploaded, tmp_path):
    shelf = Shelf(lambda: worker, tmp_path / "t")
    picture = list(shelf.ingest(uploaded))[-1]
    shelf.limits = PageLimits(tiles_bytes=picture.tiles.stat().st_size + 1)
    shelf.expire()
    assert picture.released and not picture.path.exists()
    shelf.close()


def test_what_a_killed_page_left_in_a_kept_folder_is_swept_once_it_is_old(worker, tmp_path):
    example = f"example-{examples.load()[0].sha256[:24]}.tif"
    old = ["Dk3.tif", ".0123.part.tif", "world-7.png", "world-7.json", "example-ofanotherrelease.tif", example]
    for name in [*old, "young.tif"]:
        (tmp_path / name).write_bytes(b"x")
    for name in old:
        os.utime(tmp_path / name, (0, 0))
    shelf = Shelf(lambda: worker, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"young.tif", example}
    shelf.close()


def test_pictures_in_use_stay_young_for_others_that_sweep(explorer, picture):
    os.utime(picture.tiles, (0, 0))
    explorer.shelf.expire()
    assert time.time() - picture.tiles.stat().st_mtime < 60


def test_an_image_of_too_many_pixels_is_refused(worker, wide_photo, tmp_path):
    with pytest.raises(ImageError, match="pixels"):
        list(Shelf(lambda: worker, tmp_path / "t", PageLimits(pixels=1000)).ingest(wide_photo))


def test_a_full_disk_is_told(explorer, wide_photo, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("uhrbat.imagery.apart.write_pyramid", full)
    with pytest.raises(ImageError, match="No space left"):
        list(explorer.shelf.ingest(wide_photo))


def test_what_a_file_was_shown_as_is_told(explorer, six_bands):
    picture = list(explorer.shelf.ingest(six_bands))[-1]
    bands, stretch = picture.info.notes
    assert bands == "bands 1, 2, 3 of 6 are shown as red, green and blue"
    low, high = picture.info.stretch
    assert stretch == f"contrast stretched: {low:,.6g} to {high:,.6g} (2nd to 98th percentile)"


def test_bands_are_chosen_and_wrong_ones_refused(explorer, six_bands):
    chosen = Rendering(bands=(6, 5, 4))
    picture = list(explorer.shelf.ingest(six_bands, rendering=chosen))[-1]
    assert picture.info.shown == (6, 5, 4)
    asked = explorer.asked(picture, "Why?", {"model": "nano"})
    assert (asked.settings.model, asked.settings.picture) == ("nano", chosen)
    with pytest.raises(InputError, match="bands 1 to 6"):
        list(explorer.shelf.ingest(six_bands, rendering=Rendering(bands=(1, 2, 7))))


def test_the_worker_sees_what_files_beside_the_picture_make_of_it(explorer, tmp_path):
    values = (np.arange(40 * 60 * 4).reshape(40, 60, 4) % 3000).astype(np.uint16)
    path, auxiliary = write_tiff(tmp_path / "bgrn.tif", values), tmp_path / "bgrn.tif.aux.xml"
    auxiliary.write_text(
        "<PAMDataset>"
        + "".join(
            f'<PAMRasterBand band="{n}"><Description>{name}</Description><NoDataValue>7</NoDataValue></PAMRasterBand>'
            for n, name in enumerate(("Blue", "Green", "Red", "NIR"), start=1)
        )
        + "</PAMDataset>"
    )
    for rendering in (Rendering(), Rendering(bands=("NIR", "Red", "Green"), gamma=2), Rendering(nodata=None)):
        picture = list(explorer.shelf.ingest(path, rendering=rendering, beside=[auxiliary]))[-1]
        settings = explorer.asked(picture, "Why?", {"model": "nano"}).settings
        here, there = read_canvas(path, picture.info), read_canvas(path, rendering=settings.picture)
        assert np.array_equal(np.asarray(here.image), np.asarray(there.image))
        assert np.array_equal(here.valid, there.valid)


def test_a_histogram_is_read_once(explorer, six_bands):
    picture = list(explorer.shelf.ingest(six_bands))[-1]
    assert picture.histogram is picture.histogram
    assert picture.histogram.counts.sum(axis=1).tolist() == [203 * 149] * 3


def test_a_made_file_stays_while_a_picture_of_it_does(explorer, wide_photo):
    path = explorer.shelf.folder / "made.jpg"
    path.write_bytes(wide_photo.read_bytes())
    example = replace(examples.load()[0], path=path, shipped=False)
    first, second = (list(explorer.shelf.ingest(path, "made", example, Rendering(gamma=g)))[-1] for g in (1, 2))
    explorer.shelf.limits = PageLimits(tiles_bytes=second.tiles.stat().st_size + path.stat().st_size)
    explorer.shelf.get(second.id)
    explorer.shelf.expire()
    assert explorer.shelf.get(first.id) is None and path.exists()
    explorer.shelf.limits = PageLimits(tiles_bytes=1)
    explorer.shelf.expire()
    assert not path.exists()


def test_a_worker_that_cannot_take_the_file_leaves_no_tiles(explorer, worker, wide_photo, monkeypatch):
    def refuse(self, path):
        raise WorkerError("the model worker cannot store the image, its disk is full: free some space there")

    before = tiles_in(explorer)
    monkeypatch.setattr(type(worker), "store", refuse)
    with pytest.raises(WorkerError, match="disk is full"):
        list(explorer.shelf.ingest(wide_photo))
    assert tiles_in(explorer) == before


@pytest.mark.parametrize("name", hostile.MADE)
def test_a_hostile_file_is_one_sentence_and_leaves_nothing(explorer, worker, wide_photo, tmp_path, name):
    make, words = hostile.MADE[name]
    make(tmp_path / name)
    before = tiles_in(explorer)
    with pytest.raises(ImageError, match=words) as caught:
        list(explorer.shelf.ingest(tmp_path / name))
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert tiles_in(explorer) == before and worker.files == {}


def test_a_decoder_that_crashes_costs_its_own_upload_only(explorer, wide_photo, monkeypatch):
    with monkeypatch.context() as patch:
        struck = hostile.struck(patch, signal.SIGSEGV)
        with pytest.raises(ImageError, match="its decoder ended"):
            list(explorer.shelf.ingest(wide_photo))
    assert hostile.gone(struck[0])
    assert list(explorer.shelf.ingest(wide_photo))[-1].info.width == 900


def test_leaving_ends_a_decoder_that_hangs_within_a_second(explorer, wide_photo, monkeypatch):
    struck = hostile.struck(monkeypatch, signal.SIGSTOP)
    work = explorer.shelf.ingest(wide_photo)
    next(work)
    until(lambda: struck)
    left = time.monotonic()
    work.close()
    until(lambda: hostile.gone(struck[0]))
    assert time.monotonic() - left < 1


NAMES = ["two words.png", "quote'\".png", "line\nbreak.png", "\u8239 \U0001f6a2.png", "<b>bold.png", "n" * 250 + ".png"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind(explorer, wide_photo, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(wide_photo.read_bytes())
    assert list(explorer.shelf.ingest(path))[-1].info.width == 900
    path.write_bytes(b"no image")
    with pytest.raises(ImageError, match="is not an image") as caught:
        list(explorer.shelf.ingest(path))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200
