"""Small files with one oddity each, and the pixels that an independent reading expects of them.

No expectation comes from the code under test: it is the array a file was written from, or Pillow's reading
where the format loses something.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pyvips
import rasterio
from PIL import Image, ImageCms
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from rasterio.windows import Window

FILL = (122, 116, 104)
WIDTH, HEIGHT = 203, 149


@dataclass(frozen=True)
class Made:
    """A file, its oddity, its upright pixels (uint8[h, w, 3]), which are valid, how exact they are."""

    path: Path
    odd: str
    expected: np.ndarray
    valid: np.ndarray | None = None
    tolerance: int = 0


def picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8[height, width, 3]: smooth shapes and edges, different in every corner and channel."""
    y, x = np.mgrid[:height, :width]
    red = 127 + 120 * np.sin(x / 17) * np.cos(y / 11)
    green = 255 * x / width
    blue = np.where((x // 16 + y // 16) % 2, 255 * y / height, 40)
    rgb = np.stack([red, green, blue], axis=2).astype(np.uint8)
    rgb[5:25, 8:20] = (250, 10, 10)
    return rgb


def deep(channels: int = 3, high: int = 4000) -> np.ndarray:
    """uint16[h, w, channels] of values 100..high."""
    rgb = picture().astype(np.float64)
    bands = [rgb[..., band % 3] * (1 + 0.1 * (band // 3)) for band in range(channels)]
    return (100 + np.stack(bands, axis=2) / 360 * (high - 100)).astype(np.uint16)


def hole() -> np.ndarray:
    """bool[h, w]: valid everywhere but in a disc and a column."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return ((x - 120) ** 2 + (y - 70) ** 2 > 30**2) & (x != 3)


def stretched(values: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """uint8[h, w, 3]: one linear stretch from the 2nd to the 98th percentile of the valid values."""
    values = values[..., None] if values.ndim == 2 else values
    values = np.where(np.isfinite(values), values, 0).astype(np.float64)
    inside = values if valid is None else values[valid]
    low, high = np.percentile(inside, (2, 98))
    out = np.clip(np.rint((values - low) * 255 / (high - low)), 0, 255).astype(np.uint8)
    return filled(np.broadcast_to(out, (*out.shape[:2], 3)), valid)


def filled(rgb: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    return rgb if valid is None else np.where(valid[..., None], rgb, np.uint8(FILL))


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=2)


def by_pillow(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_tiff(path: Path, values: np.ndarray, colors=None, mask=None, colormap=None, **profile) -> Path:
    """Write [h, w] or [h, w, bands] with rasterio."""
    values = values[..., None] if values.ndim == 2 else values
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": values.shape[2],
        "dtype": values.dtype.name,
        **profile,
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as file:
        if colors:
            file.colorinterp = [ColorInterp[color] for color in colors]
        file.write(np.moveaxis(values, 2, 0))
        if mask is not None:
            file.write_mask(mask)
        if colormap:
            file.write_colormap(1, colormap)
    return path


def exif_jpeg(path: Path, orientation: int, rgb: np.ndarray) -> Made:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(rgb).save(path, quality=95, exif=exif)
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    with Image.open(path) as image:
        upright = image.convert("RGB")
    upright = upright.transpose(turn[orientation]) if orientation in turn else upright
    return Made(path, f"JPEG, EXIF orientation {orientation}", np.asarray(upright))


def oriented_tiff(path: Path, orientation: int, rgb: np.ndarray) -> Path:
    Image.fromarray(rgb).save(path, tiffinfo={274: orientation})
    return path


def make_jpegs(folder: Path) -> list[Made]:
    rgb, made = picture(), []
    variants = [
        ("rgb.jpg", "JPEG, 4:2:0", rgb, {"quality": 90}),
        ("full_chroma.jpg", "JPEG, 4:4:4", rgb, {"quality": 95, "subsampling": 0}),
        ("progressive.jpg", "JPEG, progressive", rgb, {"progressive": True}),
        ("grey.jpg", "JPEG, one band", rgb[..., 0], {}),
    ]
    for name, odd, values, options in variants:
        Image.fromarray(values).save(folder / name, **options)
        made.append(Made(folder / name, odd, by_pillow(folder / name)))
    Image.fromarray(rgb).convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    made.append(Made(folder / "cmyk.jpg", "JPEG, CMYK", by_pillow(folder / "cmyk.jpg"), tolerance=1))
    made += [exif_jpeg(folder / f"exif{n}.jpg", n, rgb) for n in (2, 3, 4, 5, 6, 7, 8)]
    return made


def make_pngs(folder: Path) -> list[Made]:
    rgb, valid, made = picture(), hole(), []
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    alpha[100:110, 20:60] = 128

    def add(name, odd, expected, valid=None, save=None):
        save(str(folder / name))
        made.append(Made(folder / name, odd, expected, valid))

    def pil(values, **options):
        return lambda path: Image.fromarray(values).save(path, **options)

    add("rgb.png", "PNG, 8-bit", rgb, save=pil(rgb))
    add("grey.png", "PNG, one band", grey(rgb[..., 1]), save=pil(rgb[..., 1]))
    add(
        "grey_alpha.png",
        "PNG, grey and alpha",
        filled(grey(rgb[..., 1]), valid),
        valid,
        pil(np.dstack([rgb[..., 1], alpha])),
    )
    add("rgba.png", "PNG, alpha", filled(rgb, valid), valid, pil(np.dstack([rgb, alpha])))
    indexed = Image.fromarray(rgb).quantize(60)
    add("palette.png", "PNG, palette", np.asarray(indexed.convert("RGB")), save=indexed.save)
    index = np.asarray(indexed)
    seen = index != index[0, 0]
    add(
        "palette_transparent.png",
        "PNG, palette with a transparent entry",
        filled(np.asarray(indexed.convert("RGB")), seen),
        seen,
        lambda path: indexed.save(path, transparency=int(index[0, 0])),
    )
    bilevel = rgb[..., 1] > 100
    add("bilevel.png", "PNG, 1 bit", grey(np.where(bilevel, 255, 0).astype(np.uint8)), save=pil(bilevel))
    add(
        "interlaced.png",
        "PNG, interlaced",
        rgb,
        save=lambda path: pyvips.Image.new_from_array(rgb).pngsave(path, interlace=True),
    )
    values = deep()
    add(
        "deep_grey.png",
        "PNG, 16-bit grey",
        stretched(values[..., 0]),
        save=lambda p: cv2.imwrite(p, values[..., 0]),
    )
    add("deep.png", "PNG, 16-bit", stretched(values), save=lambda p: cv2.imwrite(p, values[..., ::-1]))
    deep_alpha = np.where(valid, 65535, 0).astype(np.uint16)
    bgra = np.dstack([values[..., ::-1], deep_alpha])
    add(
        "deep_alpha.png",
        "PNG, 16-bit and alpha",
        stretched(values, valid),
        valid,
        lambda p: cv2.imwrite(p, bgra),
    )
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    add(
        "animated.png",
        "PNG, animated",
        rgb,
        save=lambda p: frames[0].save(p, save_all=True, append_images=frames[1:]),
    )
    return made


def make_webps_and_gifs(folder: Path) -> list[Made]:
    rgb, valid = picture(), hole()
    frames = [Image.fromarray(rgb), Image.fromarray(255 - rgb)]
    Image.fromarray(rgb).save(folder / "lossless.webp", lossless=True)
    Image.fromarray(rgb).save(folder / "lossy.webp", quality=80)
    rgba = np.dstack([rgb, np.where(valid, 255, 0).astype(np.uint8)])
    Image.fromarray(rgba).save(folder / "alpha.webp", lossless=True, exact=True)
    frames[0].save(folder / "animated.webp", save_all=True, append_images=frames[1:], lossless=True)
    still = frames[0].quantize(200)
    still.save(folder / "still.gif")
    still.save(folder / "animated.gif", save_all=True, append_images=[frames[1].quantize(200)], duration=50)
    return [
        Made(folder / "lossless.webp", "WebP, lossless", rgb),
        Made(folder / "lossy.webp", "WebP, lossy", by_pillow(folder / "lossy.webp"), tolerance=1),
        Made(folder / "alpha.webp", "WebP, alpha", filled(rgb, valid), valid),
        Made(folder / "animated.webp", "WebP, animated", rgb),
        Made(folder / "still.gif", "GIF", by_pillow(folder / "still.gif")),
        Made(folder / "animated.gif", "GIF, animated", by_pillow(folder / "animated.gif")),
    ]


def make_plain_tiffs(folder: Path) -> list[Made]:
    """8-bit TIFFs in the layouts and compressions that programs write."""
    rgb, made = picture(), []
    square = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    variants = [
        ("striped", "TIFF, striped, uncompressed", {}),
        ("tiled", "TIFF, tiled, deflate", {**square, "compress": "deflate"}),
        ("lzw", "TIFF, LZW with predictor", {"compress": "lzw", "predictor": 2}),
        ("zstd", "TIFF, zstd", {"compress": "zstd"}),
        ("lerc", "TIFF, LERC", {"compress": "lerc", **square}),
        ("packbits", "TIFF, PackBits, one row a strip", {"compress": "packbits", "blockysize": 1}),
        ("planar", "TIFF, bands apart", {"interleave": "band"}),
        ("big", "BigTIFF", {"BIGTIFF": "YES"}),
        ("big_endian", "TIFF, big-endian", {"ENDIANNESS": "BIG"}),
        ("bgr", "TIFF, bands in the order blue, green, red", {"colors": ("blue", "green", "red")}),
    ]
    for name, odd, options in variants:
        values = rgb[..., ::-1] if name == "bgr" else rgb
        options = options if name == "bgr" else {**options, "photometric": "RGB"}
        made.append(Made(write_tiff(folder / f"{name}.tif", values, **options), odd, rgb))
    path = write_tiff(folder / "jpeg.tif", rgb, compress="jpeg", photometric="RGB", **square)
    made.append(Made(path, "TIFF, JPEG inside", by_pillow(path), tolerance=1))
    path = write_tiff(folder / "ycbcr.tif", rgb, compress="jpeg", photometric="YCBCR", **square)
    with rasterio.open(path) as file:
        made.append(Made(path, "TIFF, JPEG inside (YCbCr)", np.moveaxis(file.read(), 0, 2)))
    path = write_tiff(
        folder / "cog.tif",
        np.tile(rgb, (8, 8, 1)),
        driver="COG",
        compress="deflate",
        crs="EPSG:32633",
        transform=from_origin(500000, 5000000, 0.5, 0.5),
    )
    made.append(Made(path, "GeoTIFF, cloud-optimised with overviews", np.tile(rgb, (8, 8, 1))))
    pages = [Image.fromarray(rgb), Image.fromarray(255 - rgb), Image.fromarray(rgb)]
    pages[0].save(folder / "pages.tif", save_all=True, append_images=pages[1:])
    made.append(Made(folder / "pages.tif", "TIFF, three pages", rgb))
    ways = {3: rgb[::-1, ::-1], 6: np.rot90(rgb, -1), 8: np.rot90(rgb)}
    for n, upright in ways.items():
        made.append(Made(oriented_tiff(folder / f"turned{n}.tif", n, rgb), f"TIFF, orientation {n}", upright))
    return made


def make_odd_tiffs(folder: Path) -> list[Made]:
    """TIFFs whose bands are not red, green and blue in 8 bits, or not valid everywhere."""
    rgb, valid, values, made = picture(), hole(), deep(), []
    alpha = np.where(valid, 255, 0).astype(np.uint8)

    def add(name, odd, expected, data, seen=None, **options):
        made.append(Made(write_tiff(folder / f"{name}.tif", data, **options), odd, expected, seen))

    add(
        "alpha",
        "TIFF, alpha",
        filled(rgb, valid),
        np.dstack([rgb, alpha]),
        valid,
        photometric="RGB",
        alpha="YES",
    )
    add("mask", "TIFF, internal mask", filled(rgb, valid), rgb, valid, photometric="RGB", mask=valid)
    add("grey8", "TIFF, one band", grey(rgb[..., 1]), rgb[..., 1])
    add("two", "TIFF, two bands", grey(rgb[..., 0]), rgb[..., :2])
    add(
        "four",
        "TIFF, four bands, none of them alpha",
        rgb,
        np.dstack([rgb, alpha]),
        photometric="RGB",
        alpha="NO",
    )
    add(
        "uint16",
        "TIFF, 16-bit",
        stretched(values),
        values,
        photometric="RGB",
        compress="deflate",
        predictor=2,
    )
    add("eight", "TIFF, eight bands, 16-bit", stretched(deep(8)[..., :3]), deep(8))
    int16 = np.where(valid, values[..., 0].astype(np.int16) - 2000, -9999).astype(np.int16)
    add("int16", "TIFF, signed 16-bit, nodata -9999", stretched(int16, valid), int16, valid, nodata=-9999)
    add(
        "uint32",
        "TIFF, 32-bit integers",
        stretched(values.astype(np.uint32) * 5000),
        values.astype(np.uint32) * 5000,
    )
    floats = np.where(valid, values[..., 0] / 4000, np.nan).astype(np.float32)
    add("nan", "TIFF, float, NaN", stretched(floats, valid), floats, valid)
    add("nan_nodata", "TIFF, float, nodata NaN", stretched(floats, valid), floats, valid, nodata=np.nan)
    lowest = np.where(valid, values[..., 0] / 4000, np.float32(-3.4028235e38)).astype(np.float32)
    add(
        "lowest",
        "TIFF, float, nodata -3.4e38",
        stretched(lowest, valid),
        lowest,
        valid,
        nodata=-3.4028234663852886e38,
    )
    doubles = values.astype(np.float64) / 7
    add(
        "double",
        "TIFF, 64-bit floats, floating-point predictor",
        stretched(doubles),
        doubles,
        compress="zstd",
        predictor=3,
    )
    infinite = np.where(valid, values[..., 0] / 4000, np.inf).astype(np.float32)
    add("infinite", "TIFF, float, infinity", stretched(infinite, valid), infinite, valid)
    add(
        "half",
        "TIFF, 8-bit, nodata 0",
        filled(rgb, rgb.any(2)),
        rgb,
        rgb.any(2) if not rgb.any(2).all() else None,
        nodata=0,
    )
    bits12 = values % 4096
    add("bits12", "TIFF, 12-bit", stretched(bits12), bits12, NBITS=12, photometric="RGB")
    nibbles = rgb[..., 0] // 16
    add("bits4", "TIFF, 4-bit grey", stretched(nibbles), nibbles, NBITS=4)
    index = np.asarray(Image.fromarray(rgb).quantize(60))
    table = np.asarray(Image.fromarray(rgb).quantize(60).getpalette()).reshape(-1, 3)
    colormap = {i: (*map(int, color), 255) for i, color in enumerate(table)}
    add(
        "palette",
        "TIFF, palette",
        table[index].astype(np.uint8),
        index,
        colormap=colormap,
        photometric="PALETTE",
    )
    Image.fromarray(rgb).convert("CMYK").save(folder / "cmyk.tif")
    made.append(Made(folder / "cmyk.tif", "TIFF, CMYK", by_pillow(folder / "cmyk.tif"), tolerance=1))
    bilevel = rgb[..., 1] > 100
    Image.fromarray(bilevel).save(folder / "fax.tif", compression="group4")
    made.append(Made(folder / "fax.tif", "TIFF, 1 bit, fax", grey(np.where(bilevel, 255, 0).astype(np.uint8))))
    add("white", "TIFF, white is zero", grey(255 - rgb[..., 1]), rgb[..., 1], photometric="MINISWHITE")
    return made


def make_jp2s(folder: Path) -> list[Made]:
    rgb, values, made = picture(), deep(), []
    lossless = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
    made.append(Made(write_tiff(folder / "rgb.jp2", rgb, **lossless), "JPEG 2000, lossless", rgb))
    made.append(
        Made(write_tiff(folder / "grey.jp2", rgb[..., 0], **lossless), "JPEG 2000, one band", grey(rgb[..., 0]))
    )
    made.append(Made(write_tiff(folder / "deep.jp2", values, **lossless), "JPEG 2000, 16-bit", stretched(values)))
    path = write_tiff(folder / "code.j2k", rgb, **lossless, CODEC="J2K")
    made.append(Made(path, "JPEG 2000, bare code stream", rgb))
    Image.fromarray(rgb).save(folder / "lossy.jp2", quality_mode="dB", quality_layers=[40], irreversible=True)
    made.append(Made(folder / "lossy.jp2", "JPEG 2000, lossy", by_pillow(folder / "lossy.jp2"), tolerance=1))
    return made


def make_shapes(folder: Path) -> list[Made]:
    """Files whose size, colour or name is odd."""
    made = []
    shapes = {"one.png": (1, 1), "row.png": (180, 1), "column.png": (1, 180), "thin.jpg": (601, 4)}
    for name, (width, height) in shapes.items():
        Image.fromarray(picture(max(width, 30), max(height, 30))[:height, :width]).save(folder / name)
        made.append(Made(folder / name, f"{name[-3:].upper()}, {width} x {height}", by_pillow(folder / name)))
    plain = np.full((70, 90, 3), (10, 200, 30), np.uint8)
    Image.fromarray(plain).save(folder / "plain.png")
    made.append(Made(folder / "plain.png", "PNG, all one colour", plain))
    flat = np.full((70, 90), 777, np.uint16)
    made.append(
        Made(
            write_tiff(folder / "flat.tif", flat),
            "TIFF, 16-bit, all one value",
            np.full((70, 90, 3), 128, np.uint8),
        )
    )
    rgb = picture()
    names = [
        "with space.png",
        "qu'o\"te.png",
        "new\nline.png",
        "ünïcode-航空写真-🛰.png",
        "options[page=1].png",
        "渋" * 80 + ".png",
    ]
    for name in names:
        Image.fromarray(rgb).save(folder / name)
        made.append(Made(folder / name, f"PNG, name {name[:24]!a}", rgb))
    Image.fromarray(rgb).save(folder / "really_png.jpg", "PNG")
    made.append(Made(folder / "really_png.jpg", "PNG, named .jpg", rgb))
    return made


def make_named(folder: Path) -> list[Made]:
    """Files whose bands, pages, colours or codecs must be understood before they are shown."""
    rgb, values, made = picture(), deep(4), []
    plain, wide = Image.fromarray(rgb), matrix_profile(ADOBE_RGB, 2.199, "Adobe RGB (1998)")

    def described(name, odd, expected, data, names, **options):
        path = write_tiff(folder / name, data, **options)
        with rasterio.open(path, "r+") as file:
            file.descriptions = names
        made.append(Made(path, odd, expected))

    described("bgrn.tif", "TIFF, bands named blue, green, red, NIR", stretched(values[..., [2, 1, 0]]), values,
              ("Blue", "Green", "Red", "NIR"))  # fmt: skip
    described(
        "nrgb.tif", "TIFF, bands named NIR first", stretched(values[..., 1:]), values, ("nir", "red", "green", "blue")
    )
    sentinel = deep(12)
    described("sentinel2.tif", "TIFF, twelve bands named B01 to B12", stretched(sentinel[..., [3, 2, 1]]), sentinel,
              (*(f"B{n:02d}" for n in range(1, 9)), "B8A", "B09", "B11", "B12"))  # fmt: skip
    landsat = tuple(f"SR_B{n}" for n in range(1, 8))
    described("landsat8.tif", "TIFF, bands named SR_B1 to SR_B7", stretched(deep(7)[..., [3, 2, 1]]), deep(7), landsat)
    infrared = np.where(rgb[..., 1] > 100, rgb[..., 0] // 2 + 20, 0).astype(np.uint8)
    path = write_tiff(folder / "infrared.tif", np.dstack([rgb, infrared]))
    made.append(Made(path, "TIFF, infrared marked as alpha", rgb))
    undeclared = {"uint16": (0, 65535), "int16": (-9999, -32768), "float32": (-9999,), "float64": (0,)}
    for dtype, value in ((dtype, value) for dtype, values in undeclared.items() for value in values):
        data = deep()[..., 0].astype(dtype)
        data[:, :40] = value
        seen = np.ones(data.shape, bool)
        seen[:, :40] = False
        path = write_tiff(folder / f"collar_{dtype}_{value}.tif", data)
        made.append(Made(path, f"TIFF, {dtype}, collar of {value} not declared", stretched(data, seen), seen))
    numbers = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 2)) @ np.array([1, 1j])
    for dtype in ("complex64", "complex128"):
        path = write_tiff(folder / f"{dtype}.tif", numbers.astype(dtype))
        expected = stretched(np.abs(numbers.astype(dtype)).astype("float32" if dtype == "complex64" else "float64"))
        made.append(Made(path, f"TIFF, {dtype}, by its magnitude", expected))
    for suffix, options in (("png", {}), ("webp", {"lossless": True}), ("tif", {})):
        target = ImageCms.ImageCmsProfile(io.BytesIO(wide))
        changed = ImageCms.profileToProfile(plain, ImageCms.createProfile("sRGB"), target, renderingIntent=1)
        changed.save(folder / f"adobe.{suffix}", icc_profile=wide, **options)
        back = ImageCms.profileToProfile(changed, target, ImageCms.createProfile("sRGB"), renderingIntent=1)
        kind = {"png": "PNG", "webp": "WebP", "tif": "TIFF"}[suffix]
        made.append(Made(folder / f"adobe.{suffix}", f"{kind}, Adobe RGB profile", np.asarray(back), tolerance=2))
    lab = ImageCms.createProfile("LAB")
    muted = Image.fromarray(rgb // 3 + 80)  # 8-bit L*a*b* is coarse in strong colours
    changed = ImageCms.profileToProfile(muted, ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    changed.save(folder / "lab.tif")
    made.append(Made(folder / "lab.tif", "TIFF, CIE L*a*b*", np.asarray(muted), tolerance=4))
    small = Image.fromarray(picture(40, 30))
    small.save(folder / "thumbnail.tif", save_all=True, append_images=[plain], tiffinfo={254: 1})
    made.append(Made(folder / "thumbnail.tif", "TIFF, thumbnail first", rgb))
    small.save(folder / "smaller.tif", save_all=True, append_images=[plain, small])
    made.append(Made(folder / "smaller.tif", "TIFF, the second of three pages is the largest", rgb))
    plain.save(folder / "ended.jpg", quality=90)
    expected = by_pillow(folder / "ended.jpg")
    (folder / "no_end.jpg").write_bytes((folder / "ended.jpg").read_bytes()[:-2])
    (folder / "ended.jpg").unlink()
    made.append(Made(folder / "no_end.jpg", "JPEG, without its end marker", expected))
    plain.save(folder / "photo.jfif", "JPEG")
    made.append(Made(folder / "photo.jfif", "JPEG, named .jfif", by_pillow(folder / "photo.jfif")))
    plain.save(folder / "no_suffix", "TIFF")
    made.append(Made(folder / "no_suffix", "TIFF, without a suffix", rgb))
    for name, image, odd in (
        ("rgb.bmp", plain, "BMP, 24-bit"),
        ("grey.bmp", Image.fromarray(rgb[..., 1]), "BMP, grey"),
        ("palette.bmp", plain.quantize(60), "BMP, palette"),
        ("bilevel.bmp", Image.fromarray(rgb[..., 1] > 100), "BMP, 1 bit"),
    ):
        image.save(folder / name)
        made.append(Made(folder / name, odd, by_pillow(folder / name)))
    made.append(Made(write_tiff(folder / "rgb.ntf", rgb, driver="NITF"), "NITF, 8-bit", rgb))
    deep_grey = deep()[..., 0]
    made.append(Made(write_tiff(folder / "deep.ntf", deep_grey, driver="NITF"), "NITF, 16-bit", stretched(deep_grey)))
    for compression in ("lzw", "deflate", "zstd", "lerc", "packbits", "lzma"):
        for dtype in ("uint8", "uint16", "float32"):
            data = deep().astype(dtype) if dtype != "uint8" else rgb
            name = f"{compression}_{dtype}.tif"
            options = {
                "tiled": True,
                "blockxsize": 64,
                "blockysize": 64,
                "BIGTIFF": "YES" if dtype == "float32" else "NO",
            }
            path = write_tiff(folder / name, data, compress=compression, photometric="RGB", **options)
            made.append(
                Made(path, f"TIFF, {compression}, {dtype}, tiled", rgb if dtype == "uint8" else stretched(data))
            )
    path = write_tiff(folder / "webp.tif", rgb, compress="webp", WEBP_LOSSLESS="YES", photometric="RGB")
    made.append(Made(path, "TIFF, WebP inside, lossless", rgb))
    path = write_tiff(folder / "big_jpeg.tif", rgb, compress="jpeg", photometric="YCBCR", BIGTIFF="YES", tiled=True,
                      blockxsize=64, blockysize=64)  # fmt: skip
    with rasterio.open(path) as file:
        made.append(Made(path, "BigTIFF, JPEG inside (YCbCr)", np.moveaxis(file.read(), 0, 2)))
    return made


def make_all(folder: Path) -> list[Made]:
    """Every made file, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    makers = (
        make_jpegs,
        make_pngs,
        make_webps_and_gifs,
        make_plain_tiffs,
        make_odd_tiffs,
        make_jp2s,
        make_shapes,
        make_named,
    )
    return [made for maker in makers for made in maker(folder)]


def cyclic_tiff(path: Path, big_endian: bool = False) -> Path:
    """A 2 x 2 grey TIFF whose directory names itself as the next one."""
    order = ">" if big_endian else "<"
    tags = [(256, 2), (257, 2), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 4)]
    directory = struct.pack(order + "H", len(tags))
    for tag, value in tags:
        directory += struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(order + "I", 12)
    path.write_bytes(head + bytes([10, 60, 120, 250]) + directory + struct.pack(order + "I", 12))
    return path


def claiming_png(path: Path, width: int, height: int) -> Path:
    """A PNG of a few bytes that claims any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))
    return path


def lying_jpeg_tiff(path, samples: int | None = 1) -> Path:
    """A JPEG-compressed TIFF whose tiles hold three components though its directory says `samples` a pixel (None: the
    tag is taken away). With several decoding threads GDAL ended the process on it."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 128, 128), np.uint8)
    options = {"compress": "JPEG", "photometric": "YCBCR", "tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(path, "w", driver="GTiff", width=128, height=128, count=3, dtype="uint8", **options) as out:
        out.write(pixels)
    data = bytearray(Path(path).read_bytes())
    at = struct.unpack_from("<I", data, 4)[0]
    for index in range(struct.unpack_from("<H", data, at)[0]):
        entry = at + 2 + 12 * index
        tag = struct.unpack_from("<H", data, entry)[0]
        if tag == 277:  # samples a pixel
            struct.pack_into("<H", data, entry, 277 if samples else 65000)
            struct.pack_into("<H", data, entry + 8, samples or 1)
        if tag == 258:  # bits a sample
            struct.pack_into("<HHI", data, entry, 258, 3, 1)
            struct.pack_into("<H", data, entry + 8, 8)
    Path(path).write_bytes(bytes(data))
    return Path(path)


def matrix_profile(primaries, gamma: float, name: str = "made") -> bytes:
    """An ICC profile of three primaries (rows of D50 XYZ) and one gamma; of one grey curve where there are none."""

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def xyz(values) -> bytes:
        return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    text = name.encode("ascii") + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(79),
        b"wtpt": xyz((0.9642, 1, 0.8249)),
    }
    tags[b"cprt"] = b"text" + bytes(4) + b"none\0"
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        tags |= {key: xyz(row) for key, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, content, at = b"", b"", 132 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", at + len(content), len(value))
        content += padded(value)
    space = b"RGB " if primaries else b"GRAY"
    head = struct.pack(">I4sI4s4s4s", at + len(content), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + xyz((0.9642, 1, 0.8249))[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""The primaries of Adobe RGB (1998), whose gamma is 2.2."""


def sparse_mosaic(path: Path, side: int = 6000, written: bool = True, **profile) -> Path:
    """A tiled TIFF of which one tile is written, or none."""
    profile = {"dtype": "uint8", "count": 3, **profile}
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "SPARSE_OK": True, "compress": "deflate"}
    with rasterio.open(path, "w", driver="GTiff", width=side, height=side, **tiles, **profile) as file:
        if written:
            pixels = np.moveaxis(np.resize(picture(), (256, 256, 3)), 2, 0)[: profile["count"]]
            file.write(pixels.astype(profile["dtype"]), window=Window(512, 512, 256, 256))
    return path


def raw_tiff(
    path: Path, tags: list[tuple[int, int, int, int | bytes]], data: bytes = bytes(4096), big: bool = False
) -> Path:
    """A little-endian TIFF or BigTIFF of one directory of (tag, type, count, value or bytes); data at offset 4096."""
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if big else b"II*\0" + struct.pack("<I", 8)
    entry = "<HHQ" if big else "<HHI"
    inline, start = (8, 16 + 8 + 20 * len(tags) + 8) if big else (4, 8 + 2 + 12 * len(tags) + 4)
    body = struct.pack("<Q" if big else "<H", len(tags))
    extra = bytes(4096 - start) + data
    for tag, kind, count, value in sorted(tags):
        if isinstance(value, bytes):
            place = (
                struct.pack("<Q" if big else "<I", start + len(extra))
                if len(value) > inline
                else value.ljust(inline, b"\0")
            )
            extra += value if len(value) > inline else b""
        else:
            place = value.to_bytes(inline, "little")
        body += struct.pack(entry, tag, kind, count) + place
    path.write_bytes(head + body + bytes(inline) + extra)
    return path


def plain_tags(
    width: int, height: int, samples: int = 1, compression: int = 1
) -> list[tuple[int, int, int, int | bytes]]:
    """The tags that any 8-bit TIFF has, for `raw_tiff`."""
    return [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1),
            (277, 3, 1, samples)]  # fmt: skip


def many_scans_jpeg(path: Path, scans: int, side: int = 64) -> Path:
    """A grey progressive JPEG that repeats its last scan."""
    out = io.BytesIO()
    Image.fromarray(picture(side, side)[..., 0]).save(out, "JPEG", progressive=True, quality=50)
    data = out.getvalue()
    first, last = data.find(b"\xff\xda"), data.rfind(b"\xff\xda")
    assert first < last
    table = max(data.rfind(b"\xff\xc4", 0, last), first)
    path.write_bytes(data[:-2] + data[table:-2] * scans + b"\xff\xd9")
    return path
