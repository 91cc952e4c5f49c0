"""How a file is to be shown: one choice that viewer and model share."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from uhrbat.errors import InputError

AUTO = "auto"
_TRANSPARENCY = (AUTO, "alpha", "none")
_MOST_BANDS = 64


@dataclass(frozen=True)
class Rendering:
    """What a user chooses of a picture; the defaults leave every choice to the file.

    bands: one band to show in grey or three to show as red, green and blue, by number from 1 or by name; None for
    those that the file calls red, green and blue, else its first three, else its first. limits: (low, high) values
    shown as black and white, or None for the 2nd to 98th percentile (0 to 255 in 8-bit files). gamma: above 1
    brightens the middle. nodata: the value that means "no data", None for no such value (infinities and NaN are
    none in any case), "auto" for the one that the file declares, else one noticed along whole edges. page: counted
    from 1, or None for the largest that is no thumbnail. transparency: "auto", "alpha" to believe an alpha band in
    any case, "none" to take every pixel for opaque.
    """

    bands: tuple[int | str, ...] | None = None
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    nodata: float | str | None = AUTO
    page: int | None = None
    transparency: str = AUTO

    def __post_init__(self) -> None:
        if self.bands is not None and not _are_bands(self.bands):
            raise InputError(f"The bands are {short(self.bands)}: choose one or three, by number or by name.")
        if self.limits is not None:
            low, high = _numbers(self.limits, "limits", 2)
            if not low < high:
                raise InputError(f"The stretch limits are {low:g} and {high:g}: give a lower and a higher value.")
            object.__setattr__(self, "limits", (low, high))
        (gamma,) = _numbers((self.gamma,), "gamma", 1)
        if not 0.1 <= gamma <= 10:
            raise InputError(f"The gamma is {gamma:g}: choose 0.1 to 10.")
        object.__setattr__(self, "gamma", gamma)
        if (isinstance(self.nodata, str) and self.nodata != AUTO) or isinstance(self.nodata, bool):
            raise InputError(f"The nodata value is {short(self.nodata)}: give a number, 'auto' or nothing.")
        if self.nodata is not None and self.nodata != AUTO:
            try:
                value = float(self.nodata)
            except (TypeError, ValueError, OverflowError):
                raise InputError(f"The nodata value is {short(self.nodata)}: give a number or 'auto'.") from None
            object.__setattr__(self, "nodata", value if math.isfinite(value) else None)
        if self.page is not None and (isinstance(self.page, bool) or not isinstance(self.page, int) or self.page < 1):
            raise InputError(f"The page is {short(self.page)}: pages are counted from 1.")
        if self.transparency not in _TRANSPARENCY:
            raise InputError(f"The transparency is {short(self.transparency)}: choose 'auto', 'alpha' or 'none'.")

    def as_dict(self) -> dict[str, Any]:
        """What differs from the defaults, for JSON."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Rendering, name)}

    @classmethod
    def from_dict(cls, given: Any) -> "Rendering":
        """The choice that `as_dict` gave; InputError where it is none."""
        if not isinstance(given, dict) or not set(given) <= {field.name for field in fields(cls)}:
            raise InputError(
                f"{short(given)} is no choice of how to show a picture: give bands, limits, gamma and so on."
            )
        values = dict(given)
        for name in ("bands", "limits"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        return cls(**values)


def _are_bands(given: Any) -> bool:
    """Whether they can be bands of a file: whether it has them is seen when it is opened."""
    plain = isinstance(given, tuple) and len(given) <= _MOST_BANDS
    return plain and all(isinstance(band, int | str) and not isinstance(band, bool) for band in given)


def short(value: object) -> str:
    """What a client sent, as a message may repeat it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _numbers(given: Any, what: str, count: int) -> tuple[float, ...]:
    try:
        values = tuple(float(value) for value in given if not isinstance(value, (bool, str)))
    except (TypeError, ValueError, OverflowError):
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(f"The {what} is {short(given)}: give {count} finite number{'s' * (count > 1)}.")
    return values
