"""What the page takes on, set by environment variables as the worker's limits are."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt, field_validator

from uhrbat.serving.limits import GB, ImageLimits

from .addresses import Fetcher, read_hosts

SPARE = 32 * 2**20
"""Bytes of the disk that files which come leave free."""


class PageLimits(ImageLimits):
    """Limits of the page. Set one by UHRBAT_ and its name in capitals: UHRBAT_TILES_HOURS=1.

    | limit | default | meaning |
    | --- | --- | --- |
    | upload_bytes | 2 GiB | size of one image file, for page and worker |
    | pixels | 2,000,000,000 | pixels of one image, checked in its header before any is decoded |
    | tiles_bytes | 20 GiB | files and viewer tiles of uploads on the page; the longest unused go first |
    | tiles_hours | 2 | an upload not looked at or asked about for so long is deleted, with its tiles |
    | addresses | (none) | hosts from which images are opened by address, with commas between |
    | address_seconds | 300 | how long fetching an image from its address may take |
    """

    tiles_bytes: PositiveInt = 20 * GB
    tiles_hours: PositiveFloat = 2
    addresses: str = ""
    address_seconds: PositiveFloat = 300

    @field_validator("addresses")
    @classmethod
    def _readable(cls, addresses: str) -> str:
        read_hosts(addresses)
        return addresses

    @property
    def fetcher(self) -> Fetcher:
        """Fetches images by their addresses, as far as that is allowed."""
        return Fetcher(read_hosts(self.addresses), self.upload_bytes, self.address_seconds, SPARE)
