"""Open, check, rotate, stretch and read images of any size in bounded memory; only this room knows how.

info = open_image("harbour.tif")             # the header, checked against the limits
canvas = read_canvas("harbour.tif", info)    # upright RGB, at most 8,064 px a side
for size, pixels in scale_images(canvas):    # uint8[size, size, 3] for 672, 1344, 2688, 4032
    ...
"""

import os

# Read when the libraries load, so they must be set before the first import of either.
os.environ.setdefault("GDAL_CACHEMAX", "128")
os.environ.setdefault("VIPS_WARNING", "0")

from uhrbat.imagery.canvas import Canvas, canvas_of, read_canvas, scale_image, scale_images, tiles, valid_tokens
from uhrbat.imagery.companions import is_companion, paired
from uhrbat.imagery.georeference import GeoReference
from uhrbat.imagery.headers import sha256_file, shown_name
from uhrbat.imagery.info import ImageInfo, Limits, open_image
from uhrbat.imagery.native import HERE, Reader
from uhrbat.imagery.pixels import FILL, Histogram, histogram, with_stretch
from uhrbat.imagery.rendering import Rendering
from uhrbat.imagery.tile_pyramid import TileReader, write_pyramid

__all__ = [
    "FILL",
    "HERE",
    "Canvas",
    "GeoReference",
    "Histogram",
    "ImageInfo",
    "Limits",
    "Reader",
    "Rendering",
    "TileReader",
    "canvas_of",
    "histogram",
    "is_companion",
    "open_image",
    "paired",
    "read_canvas",
    "scale_image",
    "scale_images",
    "sha256_file",
    "shown_name",
    "tiles",
    "valid_tokens",
    "with_stretch",
    "write_pyramid",
]
