"""What the page takes on, set by environment variables as the worker's limits are."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from uhrbat.serving.limits import GB, ImageLimits


class PageLimits(ImageLimits):
    """Limits of the page. Set one by UHRBAT_ and its name in capitals: UHRBAT_TILES_HOURS=1.

    | limit | default | meaning |
    | --- | --- | --- |
    | upload_bytes | 2 GiB | size of one image file, for page and worker |
    | pixels | 2,000,000,000 | pixels of one image, checked in its header before any is decoded |
    | tiles_bytes | 20 GiB | files and viewer tiles of uploads on the page; the longest unused go first |
    | tiles_hours | 2 | an upload not looked at or asked about for so long is deleted, with its tiles |
    """

    tiles_bytes: PositiveInt = 20 * GB
    tiles_hours: PositiveFloat = 2
