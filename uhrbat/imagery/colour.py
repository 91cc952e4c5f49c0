"""Colour profiles and L*a*b* values, converted to sRGB by libvips (Little CMS)."""

import numpy as np
import pyvips

_LARGEST = 4 * 2**20
_VISIBLE = 2
"""A profile that moves no colour by more than this of 255 is sRGB in all but name."""
_KINDS = {"rgb": (b"RGB ", 3, "srgb"), "gray": (b"GRAY", 1, "b-w"), "cmyk": (b"CMYK", 4, "cmyk")}


def profile(icc: bytes, mode: str, dtype: str) -> tuple[bytes | None, str]:
    """The profile where it changes a colour of a picture of this mode, and the sentence that says so.

    sRGB's own, those of another kind of colours, and broken ones are left aside; the last with a note.
    """
    space, bands, interpretation = _KINDS[mode]
    if len(icc) > _LARGEST or len(icc) < 132 or icc[16:20] != space:
        return None, ""
    if dtype not in ("uint8", "uint16"):
        return None, ""
    steps = np.linspace(0, 255, 256 if bands == 1 else 6 if bands == 3 else 3).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(*[steps] * bands, indexing="ij"), axis=-1).reshape(1, -1, bands)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(lattice), interpretation=interpretation)
    try:
        changed = to_srgb(image, icc, mode).numpy().astype(int)
    except pyvips.Error:
        return None, "its colour profile is damaged and was left aside"
    if mode == "cmyk":
        return icc, f"converted from CMYK to sRGB by its colour profile{_called(icc)}"
    if np.abs(changed.reshape(lattice.shape) - lattice).max() <= _VISIBLE:
        return None, ""
    return icc, f"converted to sRGB from its colour profile{_called(icc)}"


def to_srgb(image: pyvips.Image, icc: bytes, mode: str) -> pyvips.Image:
    """The colours of an image as sRGB, of the image's own depth; a grey one stays one band."""
    _, _, interpretation = _KINDS[mode]
    deep = image.format == "ushort"
    if deep:
        interpretation = {"rgb": "rgb16", "gray": "grey16"}.get(mode, interpretation)
    image = image.copy(interpretation=interpretation)
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    result = image.icc_transform("srgb", embedded=True, intent="relative", depth=16 if deep else 8)
    return result[0] if mode == "gray" else result[0:3]


def lab_to_srgb(image: pyvips.Image, signed: bool) -> pyvips.Image:
    """sRGB of a stored L*a*b* image: L is 0 to 100 over the type's range; a and b are signed or offset by half."""
    bits = 16 if image.format == "ushort" else 8
    full, half = 2**bits - 1, 2 ** (bits - 1)
    stored = image.cast("float")
    light = stored[0] * (100 / full)
    hues = stored[1:3]
    hues = (hues >= half).ifthenelse(hues - 2**bits, hues) if signed else hues - half
    hues = hues / (half / 128)
    lab = light.bandjoin(hues).cast("float").copy(interpretation="lab")
    return lab.icc_export(output_profile="srgb", intent="relative", depth=8)[0:3]


def _called(icc: bytes) -> str:
    """The name that a profile's description tag gives it, in brackets, or nothing."""
    count = int.from_bytes(icc[128:132], "big")
    for entry in range(min(count, 64)):
        tag, start, size = (
            icc[132 + 12 * entry :][:4],
            *(int.from_bytes(icc[136 + 12 * entry + 4 * part :][:4], "big") for part in (0, 1)),
        )
        if tag != b"desc":
            continue
        content = icc[start : start + min(size, 512)]
        if content[:4] == b"mluc" and len(content) >= 28:
            length, offset = (int.from_bytes(content[at : at + 4], "big") for at in (20, 24))
            text = content[offset : offset + length].decode("utf-16-be", "replace")
        else:
            text = content[12 : 12 + int.from_bytes(content[8:12], "big")].decode("latin-1")
        text = "".join(c for c in text if c.isprintable()).strip()[:40]
        return f" ({text})" if text else ""
    return ""
