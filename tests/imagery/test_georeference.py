"""Pixels, map coordinates, metres and GeoJSON, upright however the file is stored."""

from itertools import pairwise

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from tests.support.made_images import oriented_tiff, picture, write_tiff
from tests.support.shared import real
from uhrbat.errors import InputError
from uhrbat.geometry import SCALES, Square
from uhrbat.imagery import GeoReference, open_image, read_canvas
from uhrbat.imagery.georeference import _distance
from uhrbat.imagery.headers import Header
from uhrbat.imagery.info import _upright_transform


def test_a_utm_file(tmp_path):
    transform = from_origin(500_000, 5_000_000, 0.5, 0.5)
    path = write_tiff(tmp_path / "utm.tif", picture(), crs="EPSG:32633", transform=transform)
    reference = GeoReference.of(open_image(path))
    assert reference.crs == "EPSG:32633"
    assert reference.to_map(10, 20) == (500_005, 4_999_990)
    assert reference.to_pixel(500_005, 4_999_990) == pytest.approx((10, 20))
    assert reference.to_lonlat(0, 0) == pytest.approx((15.0, 45.15), abs=0.01)
    assert reference.metres_per_pixel(100, 70) == pytest.approx((0.5002, 0.5002), abs=1e-4)
    assert reference.crs_member == {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    polygon = reference.polygon((10, 20, 30, 40), lonlat=False)
    (ring,) = polygon["coordinates"]
    assert polygon["type"] == "Polygon"
    assert ring[0] == ring[-1] == [500_005, 4_999_990] and ring[2] == [500_015, 4_999_980]
    (ring,) = reference.polygon((10, 20, 30, 40))["coordinates"]
    assert ring[0] == ring[-1] == pytest.approx(reference.to_lonlat(10, 20), abs=1e-8)
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring))
    assert area > 0, "RFC 7946 wants an outer ring counter-clockwise"
    assert reference.point(10, 20)["coordinates"] == ring[0]


def test_degrees_and_web_mercator_give_metres_on_the_ground(tmp_path):
    degrees = from_origin(12, 60, 0.0001, 0.0001)
    path = write_tiff(tmp_path / "degrees.tif", picture(), crs="EPSG:4326", transform=degrees)
    across, down = GeoReference.of(open_image(path)).metres_per_pixel(0, 0)
    assert (across, down) == pytest.approx((5.58, 11.14), abs=0.01)
    mercator = from_origin(1_335_833, 8_399_737, 1, 1)
    path = write_tiff(tmp_path / "mercator.tif", picture(), crs="EPSG:3857", transform=mercator)
    across, down = GeoReference.of(open_image(path)).metres_per_pixel(0, 0)
    assert (across, down) == pytest.approx((0.5, 0.5), abs=0.003)


def test_files_without_a_place_have_none(made):
    for path in (made["rgb.jpg"].path, made["striped.tif"].path, *real("rasters/no_geo.jpg")):
        assert GeoReference.of(open_image(path)) is None


def test_a_coordinate_system_without_a_place_on_earth():
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    reference = GeoReference(local, (1, 0, 0, 0, -1, 0))
    assert reference.to_map(3, 4) == (3, -4) and reference.to_lonlat(3, 4) is None
    assert reference.metres_per_pixel(3, 4) is None
    with pytest.raises(InputError, match="longitude and latitude are not known"):
        reference.polygon((0, 0, 1, 1))
    assert reference.crs_member["properties"]["name"] == local and reference.name == "site"


def test_files_with_a_transform_lie_where_rasterio_lays_them(tmp_path):
    """A made one, and a real one where there is one."""
    transform = from_origin(-54.3, 7.2, 0.001, 0.002)
    made = write_tiff(tmp_path / "int16.tif", picture().astype(np.int16), crs="EPSG:4326", transform=transform)
    for path in (made, *real("rasters/cog_int16.tif")):
        with rasterio.open(path) as file:
            assert GeoReference.of(open_image(path)).to_map(17.5, 30.5) == pytest.approx(file.xy(30, 17))


def test_a_transform_without_crs_gives_coordinates(tmp_path):
    transform = from_origin(5e5, 5e6, 0.3, 0.3)
    info = open_image(write_tiff(tmp_path / "bare.tif", picture(), transform=transform))
    reference = GeoReference.of(info)
    assert reference.to_map(10, 20) == pytest.approx((500003, 4999994)) and reference.name == "CRS missing"
    assert reference.to_lonlat(1, 1) is None and reference.metres_per_pixel(1, 1) is None
    assert any("coordinate" in note and "CRS" in note and "missing" in note for note in info.notes)


def with_points(path, place, columns=21, rows=9, size=(2500, 1600), crs="EPSG:4326"):
    """A file of a lattice of ground control points that lie where `place` says."""
    width, height = size
    points = [
        GroundControlPoint(row, col, *place(col, row))
        for row in np.linspace(0, height, rows)
        for col in np.linspace(0, width, columns)
    ]
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "uint8", "compress": "deflate"}
    with rasterio.open(path, "w", **profile) as out:
        out.gcps = (points, crs)
    with rasterio.open(path, "r+") as out:
        out.write(np.full((1, 8, 8), 9, np.uint8), window=((0, 8), (0, 8)))
    return path


CURVES = {
    "affine": lambda col, row: (10 + 0.001 * col, 50 - 0.002 * row),
    "quadratic": lambda col, row: (
        20 + 0.0026 * col + 1.2e-7 * (col - 1250) ** 2,
        70 - 0.0009 * row + 4e-8 * (col - 1250) ** 2,
    ),
    "cubic": lambda col, row: (20 + 0.002 * col + 4e-11 * (col - 1250) ** 3, 60 - 0.001 * row),
    "wavy": lambda col, row: (
        20 + 0.002 * col + 0.01 * np.sin(col / 400),
        60 - 0.001 * row + 0.005 * np.cos(row / 300),
    ),
    "date line": lambda col, row: ((179 + 0.001 * col + 1e-7 * (col - 1250) ** 2 + 180) % 360 - 180, 10 - 0.001 * row),
}


@pytest.mark.parametrize("name", CURVES)
def test_ground_control_points_are_met(tmp_path, name):
    place = CURVES[name]
    info = open_image(with_points(tmp_path / "points.tif", place))
    reference = GeoReference.of(info)
    assert (reference.transform is None) == (name != "affine")
    for col, row in ((0, 0), (2500, 1600), (625, 800), (1300, 33), (2222, 1555)):
        expected = place(col, row)
        assert _distance(reference.to_map(col, row), expected) < max(30.0, 5 * reference.residual)
        assert reference.to_pixel(*reference.to_map(col, row)) == pytest.approx((col, row), abs=0.01)
    assert any("ground control points" in note and "metres" in note for note in info.notes)
    if reference.residual > 1:  # no digits finer than that
        assert 10.0 ** -reference.decimals(lonlat=True) * 111_320 >= reference.residual
    assert reference.metres_per_pixel(1200, 800)[1] > 50
    lattice = reference.lattice(info.width, info.height, 4)
    assert len(lattice) == 5 and lattice[4][4] == pytest.approx(reference.to_map(2500, 1600))


def test_noise_in_ground_control_points_is_reported(tmp_path):
    rng = np.random.default_rng(1)

    def place(col, row):
        return 500_000 + 10 * col + rng.normal(0, 40), 5_000_000 - 10 * row + rng.normal(0, 40)

    info = open_image(with_points(tmp_path / "noise.tif", place, crs="EPSG:32633"))
    reference = GeoReference.of(info)
    assert 40 < reference.residual < 80
    x, y = reference.position(100.123, 200.456)
    assert (x, y) == (round(x), round(y))


def test_points_on_a_line_give_no_place(tmp_path):
    info = open_image(with_points(tmp_path / "line.tif", lambda col, row: (col, 50.0), rows=1))
    assert GeoReference.of(info) is None and any("one line" in note for note in info.notes)


def test_real_ground_control_points_are_met():
    """A radar scene, where there is one."""
    for path in real("rasters/cog_gcps.tif"):
        reference = GeoReference.of(open_image(path))
        with rasterio.open(path) as file:
            points = file.gcps[0]
        assert max(_distance(reference.to_map(p.col, p.row), (p.x, p.y)) for p in points) < 10


orientations = st.integers(1, 8)
stored_sides = st.integers(1, 5000)
sides = st.integers(1, 200_000)


def stored_position(x, y, orientation, width, height):
    """Where an upright position lies in the stored picture, after EXIF's own table."""
    column = {1: x, 2: width - x, 3: width - x, 4: x, 5: y, 6: y, 7: width - y, 8: width - y}[orientation]
    row = {1: y, 2: y, 3: height - y, 4: height - y, 5: x, 6: height - x, 7: height - x, 8: x}[orientation]
    return column, row


@given(orientations, stored_sides, stored_sides, st.floats(0, 1), st.floats(0, 1))
def test_a_turned_file_keeps_its_place(orientation, width, height, u, v):
    header = Header(
        path=None,
        format="TIFF",
        reader="rasterio",
        width=width,
        height=height,
        bands=1,
        dtype="uint8",
        colors=("gray",),
        orientation=orientation,
        crs="EPSG:32633",
        transform=(0.5, 0.1, 1000.0, 0.2, -0.5, 2000.0),
    )
    upright = (height, width) if orientation >= 5 else (width, height)
    x, y = u * upright[0], v * upright[1]
    column, row = stored_position(x, y, orientation, width, height)
    expected = (0.5 * column + 0.1 * row + 1000, 0.2 * column - 0.5 * row + 2000)
    reference = GeoReference(header.crs, _upright_transform(header))
    assert reference.to_map(x, y) == pytest.approx(expected)
    assert reference.to_pixel(*expected) == pytest.approx((x, y), abs=1e-6)


thin = st.one_of(st.integers(1, 40), st.sampled_from([63, 127, 200]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orientations, thin, thin, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_pixel_of_a_turned_file_is_found_through_the_tokens_of_every_scale(
    tmp_path, orientation, width, height, u, v
):
    """Stored pixel -> upright canvas -> its token at each scale -> canvas -> stored pixel, within a pixel."""
    column, row = int(u * width), int(v * height)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[row, column] = 255
    canvas = read_canvas(oriented_tiff(tmp_path / "turned.tif", orientation, pixels))
    (y,), (x,) = np.asarray(canvas.image)[..., 0].nonzero()
    back = stored_position(x + 0.5, y + 0.5, orientation, width, height)
    assert back == (column + 0.5, row + 0.5)
    for scale in canvas.square().scales:
        x0, y0, x1, y1 = canvas.square().token_box(scale, canvas.square().token_at(scale, x + 0.5, y + 0.5))
        assert x0 - 1 <= x + 0.5 <= x1 + 1 and y0 - 1 <= y + 0.5 <= y1 + 1


@given(sides, sides, st.floats(0, 1), st.floats(0, 1), st.sampled_from(SCALES))
@example(187, 1, 1.0, 0.0, 672)
def test_pointer_to_viewer_to_tokens_and_back(width, height, u, v, size):
    """Image -> viewer (CRS.Simple at the deepest zoom) -> image -> token -> image, within a pixel."""
    x, y = u * width, v * height
    zoom = max(0, int(np.ceil(np.log2(max(width, height) / 256))))
    latitude, longitude = -y / 2**zoom, x / 2**zoom
    back = longitude * 2**zoom, -latitude * 2**zoom
    assert abs(back[0] - x) < 1 and abs(back[1] - y) < 1
    pyramid = Square(width, height)
    x0, y0, x1, y1 = pyramid.token_box(size, pyramid.token_at(size, *back))
    assert x0 - 1 <= x <= x1 + 1 and y0 - 1 <= y <= y1 + 1
