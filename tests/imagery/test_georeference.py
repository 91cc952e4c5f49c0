"""Pixels, map coordinates, metres and GeoJSON, upright however the file is stored."""

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.transform import from_origin

from tests.support.made_images import oriented_tiff, picture, write_tiff
from tests.support.shared import real
from uhrbat.geometry import SCALES, Square
from uhrbat.imagery import GeoReference, open_image, read_canvas
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
    polygon = reference.polygon((10, 20, 30, 40))
    (ring,) = polygon["coordinates"]
    assert polygon["type"] == "Polygon"
    assert ring[0] == ring[-1] == [500_005, 4_999_990] and ring[2] == [500_015, 4_999_980]


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
    assert reference.crs_member["properties"]["name"] == local and reference.name == "site"


def test_files_with_a_transform_lie_where_rasterio_lays_them(tmp_path):
    """A made one, and a real one where there is one."""
    transform = from_origin(-54.3, 7.2, 0.001, 0.002)
    made = write_tiff(tmp_path / "int16.tif", picture().astype(np.int16), crs="EPSG:4326", transform=transform)
    for path in (made, *real("rasters/cog_int16.tif")):
        with rasterio.open(path) as file:
            assert GeoReference.of(open_image(path)).to_map(17.5, 30.5) == pytest.approx(file.xy(30, 17))


def test_files_with_ground_control_points_lie_where_these_say(tmp_path):
    """A made one, and a real one where there is one."""
    made, corners = tmp_path / "gcps.tif", [(0, 0), (0, 203), (149, 0), (149, 203), (70, 100)]
    points = [GroundControlPoint(row, col, 10 + 0.001 * col, 50 - 0.002 * row) for row, col in corners]
    write_tiff(made, picture(), gcps=points, crs="EPSG:4326")
    for path in (made, *real("rasters/cog_gcps.tif")):
        info = open_image(path)
        assert any("ground control points" in note for note in info.notes)
        with rasterio.open(path) as file:
            points = file.gcps[0]
        assert points
        off = [np.subtract(GeoReference.of(info).to_map(p.col, p.row), (p.x, p.y)) for p in points]
        assert np.abs(off).max() < 0.05


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
    for scale in canvas.pyramid.scales:
        x0, y0, x1, y1 = canvas.pyramid.token_box(scale, canvas.pyramid.token_at(scale, x + 0.5, y + 0.5))
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
