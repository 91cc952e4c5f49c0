"""The process in which files are decoded for `apart`: requests on standard input, answers on standard output.

    python -m uhrbat.imagery.child FD

Each request and answer is a line of JSON. FD is an open file, in memory, for a canvas's pixels. Limits on address space
and processor time are set here, so that what a file does ends this process and no other. It ends with the process that
started it, and deletes its folder (TMPDIR).
"""

import gc
import json
import math
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

IDLE_SECONDS = 600
PARENT_SECONDS = 0.5
FULL_TIMES = 6
"""A process whose memory is full so many times in a row, PARENT_SECONDS apart, ends."""
_HEAVY = 700 * 2**20
_TICK = 0.05
_HUNGRY = 0.7
_FULL = 0.99


def main() -> None:
    """Serve requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    try:
        _serve_all()
    finally:
        _delete_folder()


def _watch(parent: int) -> None:
    """End this process, whatever it is at, soon after its parent was killed or its memory came to an end."""
    full = 0
    while os.getppid() == parent and full < FULL_TIMES:
        time.sleep(PARENT_SECONDS)
        full = full + 1 if _is_full() else 0
    if full == FULL_TIMES:
        os.write(2, b"out of memory")
        os._exit(1)
    _delete_folder()
    os._exit(0)


def _is_full() -> bool:
    """Whether the address space is all but used up: a thread of libvips may then ask for more for ever."""
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return allowed > 0 and pages * os.sysconf("SC_PAGE_SIZE") > _FULL * allowed
    except MemoryError:
        return True
    except (ImportError, AttributeError, OSError, ValueError, IndexError):
        return False


def _delete_folder() -> None:
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def _serve_all() -> None:
    # Libraries may print; the answers go where they cannot.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    shared = int(sys.argv[1])
    limit("RLIMIT_CORE", 0)

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + "\n")
        answers.flush()

    gc.freeze()  # what is imported stays, and need not be looked at after every request
    answer(ready=True)
    while select.select([0], [], [], IDLE_SECONDS)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        request = json.loads(line)
        limit("RLIMIT_AS", request["address_space"])
        limit("RLIMIT_CPU", max(1, math.ceil(time.process_time() + request["seconds"])))
        result = serve(request, shared, answer)
        gc.collect()
        limit("RLIMIT_CPU", -1)
        heavy = _resident() > _HEAVY
        answer(**result, last=heavy)
        if heavy:
            return


def limit(name: str, value: int) -> None:
    """Set the soft limit of a resource, where the system has it; -1 takes it away again."""
    try:
        import resource

        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        value = hard if value == -1 else value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, hard))
    except (ImportError, AttributeError, ValueError, OSError):
        pass


def serve(request: dict[str, Any], shared: int, answer: Callable[..., None]) -> dict[str, Any]:
    """The result of one request, or the error it ended with."""
    from uhrbat.errors import UHRBATError

    try:
        return {"result": _work(request, shared, answer)}
    except UHRBATError as error:
        # libvips and GDAL call hunger by many names, most of them like damage.
        if "damaged" in str(error) and _address_space() > _HUNGRY * request["address_space"]:
            return {"error": "MemoryError", "text": ""}
        return {"error": type(error).__name__, "text": str(error)}
    except MemoryError:
        return {"error": "MemoryError", "text": ""}


def _work(request: dict[str, Any], shared: int, answer: Callable[..., None]) -> dict[str, Any]:
    from uhrbat.geometry import Square
    from uhrbat.imagery import canvas, native, saliency, tile_pyramid, wire
    from uhrbat.imagery.info import Limits, open_image
    from uhrbat.imagery.pixels import histogram
    from uhrbat.imagery.rendering import Rendering

    last = 0.0

    def progress(fraction: float) -> None:
        nonlocal last
        if time.monotonic() > last + _TICK:
            last = time.monotonic()
            answer(progress=fraction)

    if request["do"] == "open":
        rendering = Rendering.from_dict(request["rendering"])
        beside = [Path(path) for path in request["beside"]]
        limits = Limits(**request["limits"])
        info = open_image(request["path"], limits, request["bands"], rendering, beside, request["mask"])
        return {"info": wire.info_to_dict(info)}
    info = wire.info_from_dict(request["info"])
    if request["do"] == "pyramid":
        info = tile_pyramid.write_as(info, Path(request["out"]), Path(request["unfinished"]), progress)
        return {"info": wire.info_to_dict(info)}
    if request["do"] == "histogram":
        made = histogram(info, request["bins"], progress)
        return {
            "edges": made.edges.tolist(),
            "counts": made.counts.tolist(),
            "percentiles": list(made.percentiles),
            "pixels": made.pixels,
        }
    os.lseek(shared, 0, os.SEEK_SET)
    if request["do"] == "saliency":
        cells = saliency.saliency(info, progress)
        _write(shared, cells.data)
        return {"shape": list(cells.shape)}
    if request["do"] == "tiles":
        width, height, sizes, least = request["square"]
        tile, tile_grid = request["tile"]
        square = Square(width, height, tuple(sizes), tile, tile_grid, least=least)
        places = []
        for place, pixels, valid in native.read_tiles(info, square, [(s, t) for s, t in request["wanted"]], progress):
            _write(shared, pixels.tobytes() + valid.tobytes())
            places.append(place)
        return {"places": places}
    decoded = canvas.decode_into(lambda part: _write(shared, part), info, progress, file=shared)
    survey = decoded.saliency
    if survey is not None:
        _write(shared, survey.data)
    return {
        "info": wire.info_to_dict(decoded.info),
        "shape": decoded.shape,
        "shrink": decoded.shrink,
        "cells": None if survey is None else survey.shape,
    }


def _write(file: int, data: bytes | memoryview) -> None:
    """Write all of it."""
    left = memoryview(data).cast("B")
    while left:
        left = left[os.write(file, left) :]


def _resident() -> int:
    """Bytes of memory this process holds, 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _address_space() -> int:
    """The most bytes of address space this process has had, 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmPeak"))
    except (OSError, ValueError, StopIteration):
        return 0


if __name__ == "__main__":
    # Imported before the first request, so that a process that waits is warm.
    import uhrbat.imagery
    import uhrbat.imagery.wire  # noqa: F401

    main()
