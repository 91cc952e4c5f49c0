"""The folder of real images and golden outputs that may lie beside the checkout; no test needs it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("UHRBAT_SHARED") or ROOT.parent / "shared")


def real(*names: str) -> list[Path]:
    """Those of the files under data/real that are there, by their name or pattern."""
    return [path for name in names for path in sorted((SHARED / "data" / "real").glob(name))]
