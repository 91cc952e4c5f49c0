"""Rows of a benchmark's or a training set's file: JSON, JSON lines or parquet; and the images they name or hold."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from uhrbat.errors import InputError

_IMAGE_COLUMNS = ("image", "images", "bytes")


@dataclass(frozen=True)
class Embedded:
    """An image inside a parquet file: its column and row, and which of the row's images it is."""

    file: Path
    column: str
    row: int
    index: int = 0


ImageSource = Path | Embedded


def read_records(path: Path) -> list[dict[str, Any]]:
    """The rows of a .json (a list, or an object that holds one), .jsonl or .parquet file, or a folder of parquet files.

    A parquet row's images are not read: their column holds `Embedded` (`open_image_file`). InputError where the file is
    missing or none of these.
    """
    path = Path(path)
    if path.is_dir():
        files = sorted(path.glob("*.parquet")) or sorted(path.glob("**/*.parquet"))
        if not files:
            raise InputError(f"the folder '{path}' holds no parquet file: give a .json, .jsonl or .parquet file")
        return [record for file in files for record in _parquet(file)]
    if not path.is_file():
        raise InputError(f"there is no file '{path}'")
    if path.suffix == ".parquet":
        return _parquet(path)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            records = json.loads(text)
    except ValueError as error:
        raise InputError(f"'{path.name}' is not JSON: {error}") from error
    if isinstance(records, dict):
        records = next((value for value in records.values() if isinstance(value, list)), None)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(f"'{path.name}' holds no list of records")
    return records


def parquet_module() -> ModuleType:
    """pyarrow.parquet; InputError where it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("reading parquet needs pyarrow: pip install pyarrow") from error
    return pyarrow.parquet


def _parquet(path: Path) -> list[dict[str, Any]]:
    parquet = parquet_module()
    try:
        file = parquet.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise InputError(f"'{path.name}' cannot be read as parquet: {error}") from error
    names = file.schema_arrow.names
    held = [name for name in names if name in _IMAGE_COLUMNS and _holds_images(file.schema_arrow.field(name))]
    rows = file.read(columns=[name for name in names if name not in held]).to_pylist()
    for column in held:
        for index, count in enumerate(_image_counts(file, column)):
            images = [Embedded(path, column, index, place) for place in range(count)]
            rows[index][column] = images if count != 1 else images[0]
    return rows


def _holds_images(field: Any) -> bool:
    """Whether a column holds images themselves (`datasets`' image feature, a list of it, or base64), not names."""
    return field.name == "bytes" or "binary" in str(field.type)


def _image_counts(file: Any, column: str) -> list[int]:
    """Images a row, read without the images."""
    kind = file.schema_arrow.field(column).type
    if not str(kind).startswith(("list", "large_list")):
        return [1] * file.metadata.num_rows
    names = [name for name in (part.path for part in map(file.schema.column, range(len(file.schema))))
             if name.startswith(f"{column}.") and name.endswith("path")]  # fmt: skip
    return [len(row[column] or ()) for row in file.read(columns=names).to_pylist()]


@contextmanager
def open_image_file(source: ImageSource) -> Iterator[Path]:
    """A path to read an image from: the file itself, or a temporary copy of an embedded one."""
    if isinstance(source, Path):
        yield source
        return
    with tempfile.NamedTemporaryFile(suffix=".img") as file:
        file.write(_embedded(source))
        file.flush()
        yield Path(file.name)


def _embedded(source: Embedded) -> bytes:
    file = parquet_module().ParquetFile(source.file, memory_map=True)
    row = source.row
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if row < count:
            break
        row -= count
    for place, batch in enumerate(file.iter_batches(batch_size=1, row_groups=[group], columns=[source.column])):
        if place == row:
            value = batch.column(0)[0].as_py()
            break
    if isinstance(value, list):
        value = value[source.index]
    if isinstance(value, dict):
        value = value["bytes"]
    return base64.b64decode(value) if isinstance(value, str) else value
