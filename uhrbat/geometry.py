"""Geometry only, no pixels: squares, scales, tiles, tokens, boxes, and the way between tokens and image pixels.

Tile and grid belong to a model: the defaults here are those of the released one and of nano.

Boxes are `(x0, y0, x1, y1)` in pixels of the upright, full-resolution image, x to the right and y down, the
pixel in the top left corner covering 0..1. A token's index in a scale is tile-major: tiles in row-major
order, tokens in row-major order inside a tile, as the vision tower emits them. Only this module converts
between that and (row, column).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike

from uhrbat.errors import InputError, quoted

PATCH = 14
TILE = 336
TILE_GRID = TILE // PATCH
SCALES = (672, 1344, 2688, 4032)

# Token edges are compared with a box's edges to this fraction of a token, so that rounding never adds a row.
_EDGE = 1e-6


@dataclass(frozen=True)
class Scale:
    """One resolution of the square: `size` x `size` pixels, cut into tiles of `tile` px, each a grid of `tile_grid` x
    `tile_grid` tokens. InputError unless `size` is a multiple of `tile`.

    looked: where only some of the tiles are encoded (native scales), their row-major indices, ascending; the tokens are
    then those of these tiles alone, tile after tile. None: all tiles are.
    """

    size: int
    tile: int = TILE
    tile_grid: int = TILE_GRID
    looked: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not is_integer(self.size) or self.size < self.tile or self.size % self.tile:
            raise InputError(f"a scale of {self.size!r} pixels cannot be cut into tiles: use a multiple of {self.tile}")
        object.__setattr__(self, "size", int(self.size))
        if self.looked is not None and (
            list(self.looked) != sorted(set(self.looked)) or not all(0 <= tile < self.tiles**2 for tile in self.looked)
        ):
            raise InputError(
                f"the tiles of scale {self.size} are not usable: give some of 0 to {self.tiles**2 - 1}, ascending"
            )

    @property
    def patch(self) -> int:
        """Side of a token in pixels of the scale."""
        return self.tile // self.tile_grid

    @property
    def tiles(self) -> int:
        """Tiles per side."""
        return self.size // self.tile

    @property
    def grid(self) -> int:
        """Tokens per side."""
        return self.tiles * self.tile_grid

    @property
    def tokens(self) -> int:
        """Tokens in the scale: those of the tiles that are encoded."""
        return (self.tiles**2 if self.looked is None else len(self.looked)) * self.tile_grid**2

    def index(self, row: ArrayLike, col: ArrayLike) -> np.ndarray:
        """Tile-major index of the token in grid `row` and `col` (integers or integer arrays, 0..grid-1); -1 where its
        tile was not looked at."""
        tile_row, row = np.divmod(row, self.tile_grid)
        tile_col, col = np.divmod(col, self.tile_grid)
        tile, token = tile_row * self.tiles + tile_col, row * self.tile_grid + col
        if self.looked is None:
            return tile * self.tile_grid**2 + token
        place = _places(self)[tile]
        return np.where(place < 0, -1, place * self.tile_grid**2 + token)

    def rowcol(self, index: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Grid row and column of the token with tile-major `index` (integer or array, 0..tokens-1)."""
        tile, token = np.divmod(index, self.tile_grid**2)
        if self.looked is not None:
            tile = np.asarray(self.looked, np.int64)[tile]
        tile_row, tile_col = np.divmod(tile, self.tiles)
        row, col = np.divmod(token, self.tile_grid)
        return tile_row * self.tile_grid + row, tile_col * self.tile_grid + col

    @property
    def permutation(self) -> np.ndarray:
        """int64[N], read-only: tile-major index of each raster position; of a scale that was looked at in part, the
        tokens' indices in raster order.

        `raster = values[scale.permutation].reshape(scale.grid, scale.grid)`.
        """
        return _tables(self)[0]

    @property
    def inverse(self) -> np.ndarray:
        """int64[N], read-only: raster position of each tile-major index; `raster.ravel()[scale.inverse]`."""
        return _tables(self)[1]

    @property
    def centers(self) -> np.ndarray:
        """float32[N, 2], read-only, tile-major: each token's centre (x, y), 0..1 of the square."""
        return _tables(self)[2]


@lru_cache(maxsize=32)
def _places(scale: Scale) -> np.ndarray:
    """int64[tiles of the whole scale]: where each stands among those looked at; -1 where it was not."""
    places = np.full(scale.tiles**2, -1, dtype=np.int64)
    places[list(scale.looked or ())] = np.arange(len(scale.looked or ()))
    places.setflags(write=False)
    return places


@lru_cache(maxsize=32)
def _tables(scale: Scale) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row, col = scale.rowcol(np.arange(scale.tokens, dtype=np.int64))
    inverse = row * scale.grid + col
    permutation = np.argsort(inverse)
    centers = ((np.stack([col, row], axis=1) + 0.5) / scale.grid).astype(np.float32)
    for table in (permutation, inverse, centers):
        table.setflags(write=False)
    return permutation, inverse, centers


@dataclass(frozen=True)
class Square:
    """The square of one image of `width` x `height` pixels: its scales, and the way between pixels and tokens.

    An image that was shrunk on reading has the same square: its square is proportional to this one.
    InputError unless width and height are positive integers and every size is a multiple of the tile.

    looks: (size, tiles) of the scales beyond `sizes` of which some tiles were looked at, ascending. They are scales
    like the others, which hold the tokens of those tiles alone. least: a smaller image lies in the middle of a square
    of this side, so that it is not enlarged beyond what a model has seen.
    """

    width: int
    height: int
    sizes: tuple[int, ...] = SCALES
    tile: int = TILE
    tile_grid: int = TILE_GRID
    looks: tuple[tuple[int, tuple[int, ...]], ...] = ()
    least: int = 0

    def __post_init__(self) -> None:
        if not (is_integer(self.width) and is_integer(self.height) and self.width > 0 and self.height > 0):
            raise InputError(f"an image of {self.width!r} x {self.height!r} pixels has no area: give positive integers")
        sizes = tuple(self._scale(size).size for size in self.sizes)
        if not sizes or list(sizes) != sorted(set(sizes)):
            raise InputError(f"the scales {self.sizes!r} are not usable: give at least one, ascending, each once")
        looked = [size for size, _ in self.looks]
        if looked != sorted(set(looked)) or (looked and looked[0] <= sizes[-1]):
            raise InputError(f"looks at the scales {looked} are not usable: give sizes above {sizes[-1]}, ascending")
        sizes += tuple(self._scale(size).size for size in looked)
        for name, value in (("width", int(self.width)), ("height", int(self.height)), ("sizes", sizes)):
            object.__setattr__(self, name, value)

    @property
    def side(self) -> int:
        """Side of the square in image pixels."""
        return max(self.width, self.height, self.least)

    @property
    def offset(self) -> tuple[int, int]:
        """(x, y) of the image's top left corner in the square, in image pixels."""
        return (self.side - self.width) // 2, (self.side - self.height) // 2

    @property
    def scales(self) -> tuple[Scale, ...]:
        return tuple(self._scale(size) for size in self.sizes)

    def _scale(self, scale: "Scale | int") -> Scale:
        if isinstance(scale, Scale):
            return scale
        return Scale(scale, self.tile, self.tile_grid, dict(self.looks).get(scale))

    @property
    def native_sizes(self) -> tuple[int, ...]:
        """Sides of the scales beyond the whole ones, up to the image's own: the finest doubled and doubled again, and
        the image's own side cut to whole tiles where that is over a fourth more than the last."""
        known = len(self.sizes) - len(self.looks)
        own, sizes = self.side // self.tile * self.tile, [self.sizes[known - 1]]
        while sizes[-1] * 2 <= own:
            sizes.append(sizes[-1] * 2)
        if own * 4 > sizes[-1] * 5:
            sizes.append(own)
        return tuple(sizes[1:])

    def looking(self, looks: Mapping[int, Iterable[int]]) -> "Square":
        """This square, looked at these tiles {size: row-major indices} of its native scales and at no others.

        InputError for a scale or a tile that is not there.
        """
        for size in looks:
            if size not in self.native_sizes:
                names = ", ".join(map(str, self.native_sizes)) or "none"
                raise InputError(f"there is no native scale of {size} pixels to look at: this image has {names}")
        tiles = {size: tuple(sorted(set(looks[size]))) for size in sorted(looks)}
        sizes = self.sizes[: len(self.sizes) - len(self.looks)]
        return replace(self, sizes=sizes, looks=tuple((size, found) for size, found in tiles.items() if found))

    def tiles_in_box(self, size: int, box: ArrayLike) -> np.ndarray:
        """int64[n], ascending: the tiles of a scale of this side that the box, in image pixels, touches, whether they
        were looked at or not. InputError as `tokens_in_box`."""
        x0, y0, x1, y1 = self.to_square(self.check_box(box)).clip(0, self.side) * (size // self.tile / self.side)
        cols, rows = (_touched(*ends, size // self.tile) for ends in ((x0, x1), (y0, y1)))
        return (rows[:, None] * (size // self.tile) + cols).ravel()

    @property
    def tokens(self) -> int:
        """Tokens of all scales together, padding included."""
        return sum(scale.tokens for scale in self.scales)

    def image_tokens(self, scale: Scale | int) -> int:
        """Tokens of a scale that show something of the image: all but its padding."""
        return int((~self.padding(scale)).sum())

    @property
    def all_image_tokens(self) -> int:
        """Tokens of all scales that show something of the image."""
        return sum(self.image_tokens(scale) for scale in self.scales)

    def to_square(self, box: ArrayLike) -> np.ndarray:
        """Box (or boxes, float[..., 4]) from image pixels to pixels of the full-resolution square."""
        return np.asarray(box, dtype=np.float64) + np.tile(self.offset, 2)

    def to_image(self, box: ArrayLike) -> np.ndarray:
        """Box (or boxes, float[..., 4]) from pixels of the full-resolution square to image pixels."""
        return np.asarray(box, dtype=np.float64) - np.tile(self.offset, 2)

    def token_box(self, scale: Scale | int, index: ArrayLike) -> np.ndarray:
        """float64[..., 4]: box in image pixels of the token(s) with tile-major `index`."""
        scale = self._scale(scale)
        row, col = scale.rowcol(np.asarray(index))
        edges = np.stack([col, row, col + 1, row + 1], axis=-1) * (self.side / scale.grid)
        return self.to_image(edges)

    def tokens_in_box(self, scale: Scale | int, box: ArrayLike) -> np.ndarray:
        """int64[n], ascending, tile-major: every token of `scale` that the box, in image pixels, touches; of a scale
        that was looked at in part, those of the tiles looked at, perhaps none.

        The part of the box beyond the square is ignored. Raises InputError where the box is not four
        finite numbers with x0 < x1 and y0 < y1, or lies wholly outside the image.
        """
        scale = self._scale(scale)
        x0, y0, x1, y1 = self.to_square(self.check_box(box)).clip(0, self.side) * (scale.grid / self.side)
        cols, rows = _touched(x0, x1, scale.grid), _touched(y0, y1, scale.grid)
        found = np.sort(scale.index(rows[:, None], cols[None, :]).ravel())
        return found if scale.looked is None else found[found >= 0]

    def token_at(self, scale: Scale | int, x: float, y: float) -> int:
        """Tile-major index of the token under image position (x, y); InputError outside the square."""
        scale = self._scale(scale)
        place = np.array([x, y], dtype=np.float64) + self.offset
        if not (place.min() >= 0 and place.max() <= self.side):
            raise InputError(f"the point ({x}, {y}) lies outside the image of {self.width} x {self.height} pixels")
        col, row = (place * (scale.grid / self.side)).astype(int).clip(max=scale.grid - 1).tolist()
        return int(scale.index(row, col))

    def padding(self, scale: Scale | int) -> np.ndarray:
        """bool[N], tile-major: tokens that lie wholly outside the image."""
        scale = self._scale(scale)
        padding = np.ones(scale.tokens, dtype=bool)
        padding[self.tokens_in_box(scale, (0, 0, self.width, self.height))] = False
        return padding

    def check_box(self, box: object) -> np.ndarray:
        """float64[4] of a box in image pixels, as given; InputError where `tokens_in_box` refuses it."""
        try:
            array = np.asarray(box, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.empty(0)
        if array.shape != (4,) or not np.isfinite(array).all():
            raise InputError(f"the box {quoted(box)} is not usable: give four finite numbers x0, y0, x1, y1")
        x0, y0, x1, y1 = array
        if x0 >= x1 or y0 >= y1:
            raise InputError(f"the box {_show(array)} is empty: x0 must be left of x1, and y0 above y1")
        if x1 <= 0 or y1 <= 0 or x0 >= self.width or y0 >= self.height:
            raise InputError(
                f"the box {_show(array)} lies outside the image of {self.width} x {self.height} pixels: "
                "boxes are x0, y0, x1, y1 in pixels"
            )
        return array


def _touched(start: float, stop: float, grid: int) -> np.ndarray:
    first = min(int(np.floor(start + _EDGE)), grid - 1)
    last = max(first, min(int(np.ceil(stop - _EDGE)) - 1, grid - 1))
    return np.arange(first, last + 1, dtype=np.int64)


def is_integer(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _show(array: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in array) + ")"
