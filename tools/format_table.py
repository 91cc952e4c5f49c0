"""Print what becomes of every kind of file: read by what, how far from an independent reading, time and memory.

    python -m tools.format_table [--only NAME ...]

Each file is read by a process of its own; time is that of open_image and read_canvas, memory what the process grew by.
Exits with 1 where a picture is further from the independent reading than its tolerance.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image, ImageCms
from rasterio.errors import NotGeoreferencedWarning

from tests.support.made_images import FILL, Made, by_pillow, filled, make_all, stretched
from tests.support.shared import SHARED

READ = """
import json, sys, time
import numpy as np
from uhrbat.imagery import open_image, read_canvas
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
before, wall, cpu = peak(), time.monotonic(), time.process_time()
canvas = read_canvas(sys.argv[1], open_image(sys.argv[1]))
wall, cpu, grown = time.monotonic() - wall, time.process_time() - cpu, peak() - before
np.save(sys.argv[2], np.asarray(canvas.image))
if canvas.valid is not None:
    np.save(sys.argv[3], canvas.valid)
print(json.dumps({"wall": wall, "cpu": cpu, "memory": grown, "reader": canvas.info.reader, "shrink": canvas.shrink}))
"""


def real_files(data: Path) -> list[Made]:
    """The shared photographs and rasters with what Pillow or one whole rasterio read makes of them."""
    photographs = [*sorted((data / "real/brighton").glob("*.JPG")), data / "real/rasters/no_geo.jpg"]
    files = [Made(path, "JPEG, photograph", by_pillow(path)) for path in photographs[:-1]]
    files.append(Made(photographs[-1], "JPEG, photograph in Display P3", in_srgb(photographs[-1]), tolerance=2))
    odd = {
        "cog_gcps.tif": "GeoTIFF, 16-bit radar, ground control points",
        "cog_int16.tif": "GeoTIFF, signed 16-bit, nodata",
        "cog_nodata.tif": "GeoTIFF, 16-bit, nodata",
        "cog_nodata_nan.tif": "GeoTIFF, float, NaN",
        "nocog.tif": "GeoTIFF, 16-bit, striped, no overviews",
        "pix4d_alpha_nodata.tif": "GeoTIFF, alpha",
        "cog_cmap.tif": "GeoTIFF, palette, nodata, shrunk by 2",
    }
    for name, what in odd.items():
        path = data / "real/rasters" / name
        with rasterio.open(path) as file:
            values, valid = np.moveaxis(file.read(), 0, 2), file.dataset_mask() > 0
            table = file.colormap(1) if name == "cog_cmap.tif" else None
        if (
            name == "cog_gcps.tif"
        ):  # a collar of zeros that no tag declares, straight from left and right and from above
            empty = values[..., 0] == 0
            runs = [np.logical_and.accumulate(empty[:, ::way], axis=1)[:, ::way] for way in (1, -1)]
            valid &= ~(runs[0] | runs[1] | np.logical_and.accumulate(empty, axis=0))
        valid &= np.isfinite(values).all(axis=2)
        seen = None if valid.all() else valid
        if table:
            colors = np.zeros((256, 3), np.uint8)
            colors[list(table)] = np.array(list(table.values()))[:, :3]
            expected = boxes(filled(colors[values[..., 0]], seen))
            seen = None if seen is None else seen.reshape(len(seen) // 2, 2, -1, 2).any(axis=(1, 3))
        elif values.dtype == np.uint8:
            expected = filled(values[..., :3], seen)
        else:
            expected = stretched(values, seen)
        files.append(Made(path, what, expected, seen, tolerance=1 if table or name == "cog_gcps.tif" else 0))
    return files


def in_srgb(path: Path) -> np.ndarray:
    """A photograph's pixels, converted by Pillow from its own profile."""
    with Image.open(path) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        target = ImageCms.createProfile("sRGB")
        return np.asarray(
            ImageCms.profileToProfile(image, profile, target, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC)
        )


def boxes(rgb: np.ndarray) -> np.ndarray:
    """The means of 2 x 2 pixels, as floats."""
    return rgb.reshape(len(rgb) // 2, 2, rgb.shape[1] // 2, 2, 3).mean(axis=(1, 3))


def row(file: Made, folder: Path) -> tuple[str, bool]:
    """The table's line for a file, and whether its picture is right."""
    pixels, valid = folder / "pixels.npy", folder / "valid.npy"
    valid.unlink(missing_ok=True)
    command = [sys.executable, "-c", READ, str(file.path), str(pixels), str(valid)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1])
    if done.returncode:
        return f"| {file.odd} | - | {done.stderr.splitlines()[-1]} | | | | |", False
    reply, read = json.loads(done.stdout), np.load(pixels)
    found = np.load(valid) if valid.exists() else None
    same_valid = found is file.valid if found is None or file.valid is None else np.array_equal(found, file.valid)
    if read.shape != file.expected.shape or not same_valid:
        return f"| {file.odd} | {reply['reader']} | other size or validity | | | | |", False
    difference = np.abs(read.astype(np.float64) - file.expected).max()
    size = f"{read.shape[1]} x {read.shape[0]}"
    figures = f"{reply['wall']:.2f} | {reply['cpu']:.2f} | {reply['memory']:.0f}"
    line = f"| {file.odd} | {size} | {reply['reader']} | {difference:.3g} | {file.tolerance} | {figures} |"
    return line, difference <= file.tolerance


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of files")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    Image.MAX_IMAGE_PIXELS = None
    data = SHARED / "data"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [*(real_files(data) if data.is_dir() else ()), *make_all(folder / "made")]
        if options.only:
            files = [file for file in files if file.path.name in options.only]
        print(f"Padding and invalid pixels are {FILL}. Differences are the largest of any pixel and channel, of 255.")
        print("| file | canvas | read by | difference | tolerance | s | processor s | MB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        wrong = 0
        for file in files:
            line, right = row(file, folder)
            wrong += not right
            print(line, flush=True)
    print(f"{len(files)} files, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
