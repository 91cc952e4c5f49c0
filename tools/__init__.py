"""Scripts that measure, compare and check by hand: `python -m tools.NAME`; README.md lists them."""
