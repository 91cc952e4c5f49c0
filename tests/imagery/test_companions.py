"""World file, .prj, .aux.xml and mask: used where given with the picture, never looked for."""

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import from_origin

from tests.support.made_images import deep, hole, picture, stretched, write_tiff
from uhrbat.errors import ImageError
from uhrbat.imagery import GeoReference, Rendering, open_image, paired, read_canvas

WORLD = "0.5\n0.1\n0.2\n-0.5\n500000.25\n4999999.75\n"


@pytest.fixture
def plain(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "plain.tif")
    return tmp_path / "plain.tif"


def test_a_world_file_places_the_picture(tmp_path, plain):
    world = tmp_path / "plain.tfw"
    world.write_text(WORLD)
    assert GeoReference.of(open_image(plain)) is None
    info = open_image(plain, beside=[world])
    assert GeoReference.of(info).to_map(0.5, 0.5) == pytest.approx((500000.25, 4999999.75))
    assert GeoReference.of(info).to_map(1.5, 2.5) == pytest.approx((500000.25 + 0.5 + 0.4, 4999999.75 + 0.1 - 1))
    assert any("CRS" in note and "missing" in note for note in info.notes)
    (tmp_path / "plain.prj").write_text(CRS.from_epsg(32633).to_wkt(version="WKT1_ESRI"))
    info = open_image(plain, beside=[world, tmp_path / "plain.prj"])
    assert GeoReference.of(info).to_lonlat(0, 0) == pytest.approx((15.0, 45.15), abs=0.01)
    assert not any("missing" in note for note in info.notes)


def test_what_the_picture_says_itself_is_kept(tmp_path):
    path = write_tiff(tmp_path / "placed.tif", picture(), crs="EPSG:4326", transform=from_origin(1, 2, 0.1, 0.1))
    (tmp_path / "placed.tfw").write_text(WORLD)
    info = open_image(path, beside=[tmp_path / "placed.tfw"])
    assert info.transform[2] == 1 and any("not used" in note for note in info.notes)


def test_a_mask_is_used(tmp_path, plain):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(plain, "r+") as file:
        file.write_mask(hole())
    mask = tmp_path / "plain.tif.msk"
    assert mask.exists() and read_canvas(plain).valid is None
    canvas = read_canvas(plain, open_image(plain, beside=[mask]))
    assert np.array_equal(canvas.valid, hole()) and any("masked by" in note for note in canvas.info.notes)
    write_tiff(tmp_path / "small.tif.msk", np.full((9, 9), 255, np.uint8))
    with pytest.raises(ImageError, match="another size"):
        open_image(plain, beside=[tmp_path / "small.tif.msk"])


@pytest.mark.parametrize("name", ["plain.png", "plain.jpg", "turned.jpg", "plain.webp"])
def test_a_mask_is_used_of_any_format(tmp_path, name):
    image = Image.fromarray(picture())
    exif = Image.Exif()
    exif[274] = 6 if name == "turned.jpg" else 1
    image.save(tmp_path / name, exif=exif)
    mask = write_tiff(tmp_path / "any-name", np.where(hole(), 255, 0).astype(np.uint8))
    info = open_image(tmp_path / name, mask=mask)
    expected = np.rot90(hole(), 3) if name == "turned.jpg" else hole()
    assert np.array_equal(read_canvas(tmp_path / name, info).valid, expected)
    unmasked = open_image(tmp_path / name, mask=mask, rendering=Rendering(transparency="none"))
    assert read_canvas(tmp_path / name, unmasked).valid is None and not any("masked" in n for n in unmasked.notes)


def test_an_auxiliary_file_is_used(tmp_path):
    path = write_tiff(tmp_path / "bgrn.tif", deep(4))
    bands = "".join(
        f'<PAMRasterBand band="{n}"><Description>{name}</Description><NoDataValue>7</NoDataValue></PAMRasterBand>'
        for n, name in enumerate(("Blue", "Green", "Red", "NIR"), start=1)
    )
    transform = "<GeoTransform>500000, 0.5, 0, 5000000, 0, -0.5</GeoTransform>"
    auxiliary = tmp_path / "bgrn.tif.aux.xml"
    auxiliary.write_text(f"<PAMDataset><SRS>{CRS.from_epsg(32633).to_wkt()}</SRS>{transform}{bands}</PAMDataset>")
    assert open_image(path).shown == (1, 2, 3)
    info = open_image(path, beside=[auxiliary])
    assert (info.shown, info.names[3], info.nodata, info.crs) == ((3, 2, 1), "NIR", 7, "EPSG:32633")
    assert GeoReference.of(info).to_map(2, 4) == (500001, 4999998)
    assert np.array_equal(np.asarray(read_canvas(path, info).image), stretched(deep(4)[..., [2, 1, 0]]))


BROKEN = {
    "a.tfw": "1 2 three",
    "b.tfw": "0\n0\n0\n0\n5\n6",
    "c.tfw": "nan\n0\n0\n1\n5\n6",
    "d.prj": "no",
    "e.aux.xml": "<PAMDataset>",
    "f.aux.xml": '<!DOCTYPE x [<!ENTITY a "b">]><PAMDataset/>',
    "g.tfw": "1 " * 1_000_000,
    "h.msk": "no",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_refused_by_name(tmp_path, plain, name):
    (tmp_path / name).write_text(BROKEN[name])
    with pytest.raises(ImageError, match=name):
        open_image(plain, beside=[tmp_path / name])


def test_files_given_together_are_sorted(tmp_path):
    given = ["a.tif", "a.tfw", "a.tif.aux.xml", "b.jpg", "b.jgw", "A.TIF.msk", "c.tfw"]
    found, left = paired(tmp_path / name for name in given)
    assert [(picture.name, [c.name for c in owned]) for picture, owned in found] == [
        ("a.tif", ["a.tfw", "a.tif.aux.xml", "A.TIF.msk"]),
        ("b.jpg", ["b.jgw"]),
    ]
    assert len(left) == 1 and "'c.tfw'" in left[0] and "ignored" in left[0]
