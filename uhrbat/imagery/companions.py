"""Files that belong to a picture and say more of it: world file, .prj, .aux.xml and .msk, where given with it."""

import math
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from xml.etree import ElementTree

import rasterio
from rasterio.crs import CRS

from uhrbat.errors import ImageError
from uhrbat.imagery.bands import band_names, is_infrared, natural_colour
from uhrbat.imagery.headers import NO_CRS, WORLD_FILES, Header, shown_name

_MOST = 2**20


def is_companion(path: str | PathLike[str]) -> bool:
    """Whether a file's name says that it belongs to a picture and is none itself."""
    name = Path(path).name.lower()
    return name.endswith((*WORLD_FILES, ".prj", ".aux.xml", ".msk", ".ovr"))


def paired(paths: Iterable) -> tuple[list[tuple[Path, tuple[Path, ...]]], tuple[str, ...]]:
    """Of files given together each picture with the files that belong to it, and a sentence for each left over."""
    given = [Path(path) for path in paths]
    pictures = [path for path in given if not is_companion(path)]
    companions = [path for path in given if is_companion(path)]
    found = [(picture, tuple(c for c in companions if _belongs(c, picture))) for picture in pictures]
    used = {companion for _, owned in found for companion in owned}
    left = tuple(
        f"{shown_name(path)} belongs to a picture that is not among the files and is ignored."
        for path in companions
        if path not in used
    )
    return found, left


def _belongs(companion: Path, picture: Path) -> bool:
    name, whole, stem = companion.name.lower(), picture.name.lower(), picture.stem.lower()
    if name.endswith((".aux.xml", ".msk", ".ovr")):
        suffix = next(s for s in (".aux.xml", ".msk", ".ovr") if name.endswith(s))
        return name.removesuffix(suffix) in (whole, stem)
    return companion.stem.lower() in (stem, whole)


def applied(header: Header, beside: Iterable, mask: str | PathLike[str] | None = None) -> Header:
    """The header with what the files beside the picture add; what the picture itself says is kept.

    mask: a .msk under any other name.
    """
    for path in map(Path, beside):
        name = path.name.lower()
        if name.endswith(WORLD_FILES):
            header = _world_file(header, path)
        elif name.endswith(".prj"):
            header = _projection(header, path, _text(path))
        elif name.endswith(".aux.xml"):
            header = _auxiliary(header, path)
        elif name.endswith(".msk"):
            header = _mask(header, path)
        else:
            header = _noted(header, f"{shown_name(path)} is not used")
    return header if mask is None else _mask(header, Path(mask))


def masked_by(path: Path) -> str:
    """The note on a mask that is used."""
    return f"masked by {shown_name(path)}"


def _noted(header: Header, note: str) -> Header:
    return replace(header, notes=(*header.notes, note))


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MOST + 1)
    if len(data) > _MOST:
        raise ImageError(f"{shown_name(path)} is longer than such files are: leave it out.")
    return data.decode("utf-8", "replace")


def _unusable(path: Path) -> ImageError:
    return ImageError(f"{shown_name(path)} is damaged: leave it out, or export the picture again.")


def _placed(header: Header, transform: tuple[float, ...], path: Path) -> Header:
    if header.transform is not None or header.points:
        return _noted(header, f"{shown_name(path)} is not used: the picture has its own place")
    notes = (*header.notes, f"placed by {shown_name(path)}", *(() if header.crs else (NO_CRS,)))
    return replace(header, transform=transform, notes=notes)


def _world_file(header: Header, path: Path) -> Header:
    try:
        a, d, b, e, x, y = (float(word) for word in _text(path).split()[:6])
    except ValueError:
        raise _unusable(path) from None
    if not all(map(math.isfinite, (a, b, d, e, x, y))) or a * e == b * d:
        raise _unusable(path)
    # A world file names the centre of the first pixel, a transform its corner.
    return _placed(header, (a, b, x - (a + b) / 2, d, e, y - (d + e) / 2), path)


def _projection(header: Header, path: Path, text: str) -> Header:
    if header.crs:
        return header
    try:
        with rasterio.Env():
            crs = CRS.from_wkt(text).to_string()
    except Exception:
        raise _unusable(path) from None
    return replace(header, crs=crs, notes=tuple(note for note in header.notes if note != NO_CRS))


def _auxiliary(header: Header, path: Path) -> Header:
    text = _text(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _unusable(path)
    try:
        root = ElementTree.fromstring(text)
        transform = root.findtext("GeoTransform")
        numbers = tuple(float(word) for word in transform.split(",")) if transform else ()
        bands = {int(band.get("band", 0)): band for band in root.findall("PAMRasterBand")}
        facts = [bands[n].findtext("Description") if n in bands else None for n in range(1, header.bands + 1)]
        names = [name or known for name, known in zip(facts, header.names, strict=True)]
        values = {float(value) for band in bands.values() if (value := band.findtext("NoDataValue"))}
    except (ElementTree.ParseError, ValueError, RecursionError):
        raise _unusable(path) from None
    if (srs := root.findtext("SRS")) and not header.crs:
        header = _projection(header, path, srs)
    if len(numbers) == 6 and all(map(math.isfinite, numbers)) and numbers[1] * numbers[5] != numbers[2] * numbers[4]:
        c, a, b, f, d, e = numbers
        header = _placed(header, (a, b, c, d, e, f), path)
    described = tuple(band.findtext("Description") for _, band in sorted(bands.items()))
    if any(described):
        header = replace(
            header,
            names=band_names(names, header.colors),
            natural=natural_colour(names) or header.natural,
            infrared=tuple(is_infrared(name) for name in names),
        )
    if len(values) == 1 and header.nodata is None:
        header = replace(header, nodata=values.pop(), validity=header.validity or "nodata")
    return header


def _mask(header: Header, path: Path) -> Header:
    from uhrbat.imagery.gdal import opened_mask

    with opened_mask(path) as mask:
        if (mask.width, mask.height) != (header.width, header.height):
            raise ImageError(f"{shown_name(path)} is a mask of another size than the picture: leave it out.")
    return replace(header, mask=path, validity="mask", notes=(*header.notes, masked_by(path)))
