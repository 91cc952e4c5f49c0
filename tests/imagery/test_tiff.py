import struct

import pytest

from tests.support.made_images import plain_tags, raw_tiff
from uhrbat.imagery.tiff import first_tags

TEXT = b"<GDALMetadata></GDALMetadata>"
COUNTS = struct.pack("<2I", 7, 9)


@pytest.fixture(params=[False, True], ids=["TIFF", "BigTIFF"])
def path(request, tmp_path):
    tags = [*plain_tags(8, 8), (282, 5, 1, bytes(8)), (325, 4, 2, COUNTS), (42112, 2, len(TEXT), TEXT),
            (42113, 2, 2**24 + 1, 4096)]  # fmt: skip
    return raw_tiff(tmp_path / "a.tif", tags, big=request.param)


def test_tags_are_read_inside_their_entry_and_outside_it(path):
    assert first_tags(path, (257, 325, 42112)) == {257: struct.pack("<I", 8), 325: COUNTS, 42112: TEXT}


def test_what_is_absent_too_large_or_of_another_type_is_left_out(path):
    assert first_tags(path, (282, 279, 42113)) == {}


def test_the_other_byte_order(tmp_path):
    values = struct.pack(">2H", 7, 9)
    (tmp_path / "a.tif").write_bytes(b"MM\0*" + struct.pack(">IHHHI", 8, 1, 325, 3, 2) + values + bytes(4))
    assert first_tags(tmp_path / "a.tif", (325,)) == {325: values}


def test_a_file_that_is_cut_off_or_no_tiff_has_none(path):
    whole = path.read_bytes()
    for content in (b"", whole[:3], whole[:9], whole[:17], b"\x89PNG" + whole[4:]):
        path.write_bytes(content)
        assert first_tags(path, (257, 325)) == {}
