"""What rasterio (GDAL) says of TIFF, JPEG 2000, BMP and NITF files: their headers, what is valid in them, palettes."""

import base64
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from uhrbat.errors import ImageError, InputError
from uhrbat.imagery import headers, survey, tiff
from uhrbat.imagery.bands import band_names, is_infrared, natural_colour
from uhrbat.imagery.headers import NO_CRS, Header, shown_name
from uhrbat.imagery.rendering import AUTO, Rendering

# An ordinary photograph has no place on the map, which is nothing to warn of.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

FORMATS = ("TIFF", "JPEG 2000", "BMP", "NITF")
DRIVERS = {"TIFF": "GTiff", "JPEG 2000": "JP2OpenJPEG", "BMP": "BMP", "NITF": "NITF"}
# Neither neighbouring files nor a written sidecar: an image is the bytes of its one file.
SETTINGS = {
    "GDAL_PAM_ENABLED": False,
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # With more threads a JPEG-in-TIFF that lies about its samples ends the process; with one it is an error.
    "GDAL_NUM_THREADS": "1",
}
READ_ROWS = 128
_MOST_REPAIRED = 256 * 2**20
_INKS = 5
_LAB = {8: "lab", 9: "icclab"}


@contextmanager
def _opened(source: str | Path, format: str) -> Iterator[Any]:
    with rasterio.Env(**SETTINGS), rasterio.open(str(source), driver=DRIVERS[format]) as file:
        yield file


def read_header(path: Path, format: str, rendering: Rendering) -> Header:
    """The header of a file of one of this module's formats."""
    directories = tiff.pages(path) if format == "TIFF" else []
    listed = tiff.pictures(directories)
    index, notes = 0, ()
    if format == "TIFF":
        index = _chosen_page(path, directories, listed, rendering)
        tiff.check(path, directories[index])
    page = directories[index] if directories else None
    source = str(path) if index == 0 else f"GTIFF_DIR:{index + 1}:{path.absolute()}"
    if page and index == 0 and page.photometric in _LAB and page.samples >= 3:
        source = f"GTIFF_RAW:{path.absolute()}"
    if page and index == 0 and page.photometric == _INKS and page.profile and page.samples == 4 and page.bits == 8:
        source = f"GTIFF_RAW:{path.absolute()}"  # GDAL would convert the inks without their profile
    images = _nitf_images(path) if format == "NITF" else 1
    if images > 1:
        number = _in_range(path, rendering.page, images)
        source = f"NITF_IM:{number - 1}:{path.absolute()}"
    try:
        with _opened(source, format) as file:
            header = _header(file, path, format, page, source)
    except RasterioError as error:
        if page and "codec" in str(error).lower():
            raise tiff.missing_codec(path, page) from error
        raise
    if format == "NITF":
        return replace(header, pages=images, page=rendering.page or 1)
    if not directories:
        return header
    return replace(
        header,
        pages=len(listed),
        page=listed.index(index) + 1,
        page_sizes=tuple((directories[at].width, directories[at].height) for at in listed),
        notes=(*header.notes, *notes),
    )


def _header(file: Any, path: Path, format: str, page: tiff.TiffPage | None, source: str) -> Header:
    complexes = any(dtype.startswith("complex") for dtype in file.dtypes)
    if complexes:
        dtype = "float64" if "complex128" in file.dtypes else "float32"
    else:
        dtype = file.dtypes[0] if len(set(file.dtypes)) == 1 else str(np.result_type(*file.dtypes))
        dtype = "float64" if dtype in ("int64", "uint64") else dtype
    bits = file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    crs, transform, points, notes = _georeference(file)
    if complexes:
        notes += ("its complex values are shown by their magnitude",)
    colors = tuple(color.name if color is not None else "undefined" for color in file.colorinterp)
    descriptions = tuple(file.descriptions)
    space = _LAB.get(page.photometric, "") if page and source.startswith("GTIFF_RAW:") else ""
    if space:
        colors = tuple("undefined" if color == "alpha" else color for color in colors)
    orientation = page.orientation if page else 1
    return Header(
        path=path,
        format=format,
        reader="rasterio",
        width=file.width,
        height=file.height,
        bands=file.count,
        dtype=dtype,
        colors=colors,
        orientation=orientation if orientation in range(1, 9) else 1,
        bits=int(bits) if bits else None,
        inverted="MINISWHITE" in file.tags(ns="IMAGE_STRUCTURE"),
        nodata=file.nodata,
        validity=None if space else _validity(file),
        crs=crs,
        transform=transform,
        points=points,
        block_bytes=_block_bytes(file, dtype),
        stored=page.stored if page else 1.0,
        names=band_names(descriptions, colors),
        natural=natural_colour(descriptions),
        infrared=tuple(is_infrared(description) for description in descriptions),
        source="" if source == str(path) else source,
        icc=_profile(file),
        space=space,
        notes=notes,
    )


@contextmanager
def opened_mask(path: Path) -> Iterator[Any]:
    """A mask file (.msk) as GDAL writes it: a TIFF of one band, checked as far as its directory goes."""
    if headers.sniff(path) != "TIFF":
        raise ImageError(f"{shown_name(path)} is no mask as GDAL writes it: leave it out.")
    tiff.check(path, tiff.pages(path)[0])
    with _opened(path, "TIFF") as file:
        yield file


def _block_bytes(file: Any, dtype: str) -> int:
    """The larger of one row of tiles, as it is read, and one tile with all bands that are decoded with it."""
    itemsize = np.dtype(dtype).itemsize
    height = max(shape[0] for shape in file.block_shapes)
    width = max(shape[1] for shape in file.block_shapes)
    together = 1 if file.interleaving in (Interleaving.band, Interleaving.line) else file.count
    row = height * -(-file.width // width) * width * min(file.count, 4) * itemsize
    return max(row, height * width * together * itemsize)


def _chosen_page(path: Path, directories: list[tiff.TiffPage], listed: list[int], rendering: Rendering) -> int:
    if rendering.page is not None:
        return listed[_in_range(path, rendering.page, len(listed)) - 1]
    largest = tiff.largest(directories)
    return largest if largest in listed else listed[0]


def _in_range(path: Path, page: int | None, pages: int) -> int:
    if page is not None and page > pages:
        raise InputError(f"{shown_name(path)} has {pages} page{'s' * (pages > 1)}, not {page}: choose one of them.")
    return page or 1


def require_all_rows(path: Path, end: bytes) -> None:
    """Decode a JPEG that lacks its end marker, with that put after it; ImageError where more than that is missing.

    libvips would show what is missing as grey, without an error.
    """
    short = ImageError(f"{shown_name(path)} is cut short, as if a download or copy had stopped early: copy it again.")
    if path.stat().st_size > _MOST_REPAIRED:
        raise short
    settings = {**SETTINGS, "GDAL_ERROR_ON_LIBJPEG_WARNING": True}
    with rasterio.Env(**settings), rasterio.MemoryFile(path.read_bytes() + end) as memory:
        try:
            with memory.open(driver="JPEG") as file:
                for row in range(0, file.height, READ_ROWS):
                    file.read(window=Window(0, row, file.width, min(READ_ROWS, file.height - row)))
        except RasterioError:
            raise short from None


def _nitf_images(path: Path) -> int:
    with _opened(path, "NITF") as file:
        return max(1, sum(name.startswith("NITF_IM:") for name in file.subdatasets))


def _profile(file: Any) -> bytes | None:
    encoded = file.tags(ns="COLOR_PROFILE").get("SOURCE_ICC_PROFILE")
    try:
        return base64.b64decode(encoded, validate=True) if encoded else None
    except ValueError:
        return None


def _georeference(file: Any) -> tuple:
    """(CRS, transform, ground control points, notes)."""
    if not file.transform.is_identity:
        if file.crs:
            return file.crs.to_string(), tuple(file.transform)[:6], (), ()
        return None, tuple(file.transform)[:6], (), (NO_CRS,)
    points, crs = file.gcps
    if len(points) >= 3:
        kept = tuple((float(p.col), float(p.row), float(p.x), float(p.y)) for p in points)
        if all(np.isfinite(kept).ravel()):
            return (crs.to_string() if crs else None), None, kept, (() if crs else (NO_CRS,))
    return None, None, (), ()


def _validity(file: Any) -> str | None:
    flags = file.mask_flag_enums[0]
    if MaskFlags.alpha in flags:
        return "alpha"
    if MaskFlags.per_dataset in flags:
        return "mask"
    return "nodata" if MaskFlags.nodata in flags else None


def surveyed(header: Header, shown: tuple[int, ...], mode: str, rendering: Rendering) -> Header:
    """The header with its alpha band believed or not, and nodata that it does not declare noticed along its edges.

    At most some hundred inner tiles are read.
    """
    doubtful = header.validity == "alpha" and rendering.transparency == AUTO
    placed = bool(header.crs or header.transform or header.points)
    deep = header.dtype != "uint8"
    seeking = (
        header.validity is None or (doubtful and header.nodata is None)
    ) and rendering.nodata == AUTO and header.nodata is None and mode in ("rgb", "gray") and (
        deep or (placed and (header.bits or 8) == 8)
    )  # fmt: skip
    if not doubtful and not seeking:
        return header
    with _opened(header.source or header.path, header.format) as file:
        if doubtful:
            band = header.colors.index("alpha") + 1 if "alpha" in header.colors else header.bands
            named = header.infrared[band - 1] if header.infrared else False
            if named or not survey.is_alpha(file, band, shown):
                header = _without_alpha(header, band)
        if seeking and header.validity is None:
            value = survey.nodata_along_edges(file, shown, deep)
            if value is not None:
                note = (
                    f"its edges hold {value:.6g} throughout, which no tag declares: taken for missing data there"
                    if survey.only_outside(value, header.dtype)
                    else f"its edges hold {value:.6g} throughout, which no tag declares: taken for missing data"
                )
                header = replace(
                    header,
                    nodata=value,
                    noticed="outside" if survey.only_outside(value, header.dtype) else "everywhere",
                    notes=(*header.notes, note),
                )
    return header


def _without_alpha(header: Header, band: int) -> Header:
    """The header of a file whose alpha band is a band like the others."""
    names = list(header.names)
    names[band - 1] = f"band {band}" if names[band - 1] == "alpha" else names[band - 1]
    colors = list(header.colors)
    colors[band - 1] = "undefined"
    note = f"band {band} is marked as transparency, but is none: it is taken for a band (such as infrared)"
    return replace(
        header,
        colors=tuple(colors),
        names=tuple(names),
        validity="nodata" if header.nodata is not None else None,
        notes=(*header.notes, note),
    )


def palette(info: Any) -> np.ndarray:
    """uint8[entries, 3]: the colours of a palette file, index by index; unlisted indices are black."""
    with _opened(info.source or info.path, info.format) as file:
        colors = np.zeros((np.iinfo(file.dtypes[0]).max + 1, 3), np.uint8)
        for index, color in file.colormap(info.shown[0]).items():
            colors[index] = color[:3]
        return colors
