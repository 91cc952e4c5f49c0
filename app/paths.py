"""Where the page's files are: inside this package once it is installed, beside it in the repository."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_INSTALLED = PACKAGE / "assets"
ASSETS = _INSTALLED if _INSTALLED.is_dir() else PACKAGE.parent / "assets"
