"""`uhrbat evaluate worlds | real | frontier | loss | benchmark`: scores of a model."""

from uhrbat.cli.group import Commands

command = Commands(
    "evaluate",
    {name: f"uhrbat.cli.evaluate.{name}" for name in ("worlds", "real", "frontier", "loss", "benchmark")},
    aliases={"scenes": "worlds"},
    help="Score a model.",
)
