"""Worlds made on demand, in a process of their own, so that painting one never holds up whoever waits.

python -m uhrbat.worlds.files 2000001 FOLDER --without 4
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from uhrbat.errors import Cancelled, ImageError
from uhrbat.imagery.provenance import save_world
from uhrbat.worlds import World, generate

_TICK = 0.1


@dataclass(frozen=True)
class WorldKey:
    """Which world: a seed, and the objects left out."""

    seed: int
    without: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Its name, in links and as a file: world-2000001, or world-2000001-4 without object 4."""
        return "-".join(["world", str(self.seed), *map(str, self.without)])

    @classmethod
    def parse(cls, name: str) -> "WorldKey | None":
        """The world of this name, or None where it is no such name; links of version 0.1 begin with "scene"."""
        if not re.fullmatch(r"(world|scene)(-\d{1,9}){1,9}", name):
            return None
        seed, *without = map(int, name.split("-")[1:])
        return cls(seed, tuple(without))


def make(key: WorldKey, folder: Path, report: Callable[[float], None], stopped: Callable[[], bool]) -> dict:
    """Make a world in a child process: a PNG and, beside it, what is true of it as examples.json lists it.

    Returns the latter. report gets fractions (0..1); Cancelled once `stopped()`; ImageError where it fails.
    """
    command = [
        sys.executable,
        "-m",
        "uhrbat.worlds.files",
        str(key.seed),
        str(folder),
        "--without",
        *map(str, key.without),
    ]
    child = subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None  # both are pipes
    os.set_blocking(child.stdout.fileno(), False)
    try:
        while child.poll() is None:
            if stopped():
                raise Cancelled("stopped")
            for line in (child.stdout.read() or b"").split():
                report(float(line))
            time.sleep(_TICK)
        if child.returncode:
            said = child.stderr.read().decode(errors="replace").strip().splitlines()
            raise ImageError(f"world {key.seed} could not be made: {said[-1] if said else child.returncode}.")
        return json.loads((folder / f"{key.name}.json").read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.communicate()
        _unfinished(key, folder, child.pid).unlink(missing_ok=True)


def world_item(world: World) -> dict[str, Any]:
    """Seed, size, land cover and objects of a world, as examples.json lists them."""
    return {
        "seed": world.seed,
        "size": world.size,
        "land_cover": world.land_cover,
        "objects": [
            {"kind": item.kind, "color": item.color, "box": [int(value) for value in item.box]}
            for item in world.objects
        ],
    }


def _environment() -> dict[str, str]:
    """This process's environment, with this library in reach of the child."""
    root = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}


def _unfinished(key: WorldKey, folder: Path, process: int) -> Path:
    """Where a child writes a picture until it is whole: another page may be waiting for the same one."""
    return folder / f"{key.name}.{process}.part"


def main(arguments: Sequence[str] | None = None) -> None:
    """The child: fractions on standard output, one a line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", type=int, nargs="*", default=(), help="objects to leave out, by index")
    args = parser.parse_args(arguments)
    key = WorldKey(args.seed, tuple(args.without))
    print(0.1, flush=True)
    world = generate(key.seed, without=key.without)
    print(0.6, flush=True)
    path, part = args.folder / f"{key.name}.png", _unfinished(key, args.folder, os.getpid())
    save_world(Image.fromarray(world.image), part)
    part.replace(path)
    item = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), **world_item(world)}
    (args.folder / f"{key.name}.json").write_text(json.dumps(item))


if __name__ == "__main__":
    main()
