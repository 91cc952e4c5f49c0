"""Feed mutated files to everything that opens and ingests images, in child processes with bounded memory and time.

    python -m tools.fuzz_imagery --files 5000 [--first 0] [--keep FOLDER]

File number i is always the same mutation of the same seed file. The right outcomes are a picture or an ImageError; what
is counted against us is a crash, a hang, any other exception, a leftover file, or memory over the bound. Exits with 1
where there was any of these.
"""

import argparse
import json
import os
import random
import resource
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

CHUNK = 250
CPU_LIMIT = 10.0
WALL_LIMIT = 180.0
MEMORY_LIMIT = 1500
ADDRESS_SPACE = 12 * 2**30
INTERESTING = (0, 1, 2, 7, 8, 16, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
SKIPPED_SEEDS = ("cog.tif",)


def overwrite(data: bytearray, rng: random.Random, start: int, stop: int) -> None:
    """Put a value that breaks arithmetic somewhere between start and stop."""
    size = rng.choice((1, 2, 4))
    at = rng.randrange(start, max(start + 1, min(stop, len(data)) - size))
    value = rng.choice(INTERESTING) % 256**size
    data[at : at + size] = value.to_bytes(size, rng.choice(("little", "big")))


def flip_bits(data, rng):
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data, rng):
    del data[rng.randrange(1, len(data)) :]


def edit_header(data, rng):
    for _ in range(rng.choice((1, 2, 5))):
        overwrite(data, rng, 4, 200)


def edit_anywhere(data, rng):
    for _ in range(rng.choice((1, 3, 10))):
        overwrite(data, rng, 0, len(data))


def move_piece(data, rng):
    start = rng.randrange(len(data))
    piece = data[start : start + rng.choice((1, 4, 64, 1000))]
    if rng.random() < 0.5:
        del data[start : start + len(piece)]
    at = rng.randrange(len(data) + 1)
    data[at:at] = piece


def zero_piece(data, rng):
    start = rng.randrange(len(data))
    length = min(rng.choice((4, 64, 2000)), len(data) - start)
    data[start : start + length] = bytes(length)


def edit_format(data, rng):
    """Change a field that the format's own structure leads to, keeping its checksums right."""
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        edit_tiff(data, rng)
    elif data[:4] == b"\x89PNG":
        edit_png(data, rng)
    elif data[:3] == b"\xff\xd8\xff":
        edit_jpeg(data, rng)
    elif data[:4] == b"RIFF":
        edit_riff(data, rng)
    elif data[:4] == b"GIF8":
        edit_gif(data, rng)
    elif data[4:8] == b"jP  " or data[:4] == b"\xff\x4f\xff\x51":
        edit_jp2(data, rng)
    else:
        edit_header(data, rng)


TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338, 339,
        347, 530, 532, 33550, 33922, 34264, 34665, 34675, 34735, 42112, 42113)  # fmt: skip
"""TIFF tags that a decoder acts on."""
WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def edit_tiff(data, rng):
    """Change entries of one directory of a TIFF or BigTIFF: tag, type, count, value, or a value in its list."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    head, entry_size, number, inline = (8, 20, "Q", 8) if big else (2, 12, "I", 4)
    for _ in range(rng.choice((0, 0, 0, 1, 2))):  # a later directory
        count = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
        following = struct.unpack_from(order + number, data, at + head + entry_size * count)[0]
        at = following or at
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    for _ in range(rng.choice((1, 1, 2, 4))):
        entry = at + head + entry_size * rng.randrange(count + 1)
        if entry == at + head + entry_size * count:
            struct.pack_into(order + number, data, entry, rng.choice((at, 8, len(data) - 2, *INTERESTING)))
            continue
        _, kind, length = struct.unpack_from(order + "HH" + number, data, entry)
        value = rng.choice((at, len(data), rng.randrange(1, 20), *INTERESTING))
        choice = rng.random()
        if choice < 0.1:
            struct.pack_into(order + "H", data, entry, rng.choice(TAGS))
        elif choice < 0.2:
            struct.pack_into(order + "H", data, entry + 2, rng.choice(tuple(WIDTHS)))
        elif choice < 0.35:
            struct.pack_into(order + number, data, entry + 4, value)
        elif WIDTHS.get(kind, 1) * length > inline and choice < 0.7:
            (where,) = struct.unpack_from(order + number, data, entry + entry_size - inline)
            width = WIDTHS.get(kind, 1)
            where += width * rng.randrange(max(1, length))
            data[where : where + width] = (value % 256**width).to_bytes(width, "little" if order == "<" else "big")
        else:
            width = min(WIDTHS.get(kind, 4), inline)
            place = entry + entry_size - inline
            data[place : place + width] = (value % 256**width).to_bytes(width, "little" if order == "<" else "big")


def edit_png(data, rng):
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((at, length))
        at += 12 + length
    at, length = rng.choice(chunks)
    if length:
        overwrite(data, rng, at + 8, at + 8 + length)
    struct.pack_into(">I", data, at + 8 + length, zlib.crc32(data[at + 4 : at + 8 + length]))


def edit_jpeg(data, rng):
    """Change, double, drop or move a segment, those between scans too."""
    markers, at = [], 2
    while at + 4 < len(data) and data[at] == 0xFF:
        (length,) = struct.unpack_from(">H", data, at + 2)
        markers.append((at, length + 2))
        at += 2 + length
        if data[markers[-1][0] + 1] == 0xDA:  # on to the marker after the coded data
            while at + 1 < len(data) and not (data[at] == 0xFF and data[at + 1] not in (0, *range(0xD0, 0xD8))):
                at += 1
            if at + 1 >= len(data) or data[at + 1] == 0xD9:
                break
    at, length = rng.choice(markers)
    choice = rng.random()
    if choice < 0.7:
        overwrite(data, rng, at + 2, at + max(4, length))
    elif choice < 0.8:
        del data[at : at + length]
    else:
        place, _ = rng.choice(markers)
        data[place:place] = data[at : at + length] * rng.choice((1, 1, 3, 200))


def edit_riff(data, rng):
    """Change a chunk of a WebP, or the dimensions in its bit stream."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        chunks.append((at, length))
        at += 8 + length + length % 2
    at, length = rng.choice(chunks)
    if rng.random() < 0.3:
        overwrite(data, rng, at, at + 8)
    else:
        overwrite(data, rng, at + 8, at + 8 + rng.choice((12, 40, max(1, length))))


def edit_gif(data, rng):
    """Change the screen, a block's head, or the smallest code size."""
    places = [6, *(at for at in range(13, len(data) - 10) if data[at] == 0x2C or data[at : at + 2] == b"\x21\xf9")]
    at = rng.choice(places[:64])
    overwrite(data, rng, at, at + 11)


def edit_jp2(data, rng):
    """Change a box's head or a segment of the code stream's main header."""
    start = max(0, data.find(b"\xff\x4f\xff\x51"))
    places, at = [], 0
    while start and at + 8 <= start:
        (length,) = struct.unpack_from(">I", data, at)
        places.append((at, max(8, min(length, 60))))
        at += max(8, length)
        if data[at + 4 : at + 8] == b"jp2h":
            at += 8
    at = start + 2
    while at + 4 < len(data) and data[at] == 0xFF and data[at + 1] != 0x93:
        (length,) = struct.unpack_from(">H", data, at + 2)
        places.append((at + 2, length))
        at += 2 + length
    at, length = rng.choice(places)
    overwrite(data, rng, at, at + length)


MUTATIONS = (flip_bits, truncate, edit_header, edit_anywhere, move_piece, zero_piece, edit_format, edit_format)


def mutated(number: int, seeds: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Name and content of file `number`."""
    rng = random.Random(number)
    name, content = seeds[number % len(seeds)]
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        try:
            rng.choice(MUTATIONS)(data, rng)
        except (struct.error, IndexError, ValueError, OverflowError):
            flip_bits(data, rng)
        if len(data) < 8:
            break
    return name, bytes(data)


def ingest(path: Path, out: Path) -> str:
    """Everything that an upload goes through; 'shown' or 'refused'."""
    from uhrbat.errors import ImageError
    from uhrbat.imagery import GeoReference, TileReader, histogram, open_image, read_canvas, sha256_file, write_pyramid

    try:
        info = open_image(path)
        canvas = read_canvas(path, info)
        write_pyramid(path, out, canvas.info)
        with TileReader(out) as reader:
            reader.tile(0, 0, 0)
        out.unlink()
        sha256_file(path)
        assert canvas.info is not None
        histogram(canvas.info)
        reference = GeoReference.of(info)
        if reference is not None:
            reference.polygon((0, 0, 1, 1), lonlat=False)
            reference.metres_per_pixel(1, 1)
            reference.position(1, 1, lonlat=True)
    except ImageError as error:
        message = str(error)
        if not message.endswith(".") or "\n" in message:
            raise AssertionError(f"not one sentence: {message!r}") from error
        return "refused"
    return "shown"


def child(seed_folder: Path, first: int, last: int) -> None:
    """Try files first..last-1; print a line of JSON before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    seeds = [(path.name, path.read_bytes()) for path in sorted(seed_folder.iterdir())]
    temporary = Path(tempfile.gettempdir())
    for number in range(first, last):
        name, content = mutated(number, seeds)
        print(json.dumps({"start": number}), flush=True)
        path = temporary / name
        path.write_bytes(content)
        cpu, wall, problem = time.process_time(), time.monotonic(), ""
        try:
            outcome = ingest(path, temporary / "viewer.tif")
        except BaseException as error:
            outcome, problem = "foreign", repr(error)
        path.unlink()
        left = [entry.name for entry in temporary.iterdir()]
        for entry in left:
            (temporary / entry).unlink()
        done = {
            "done": number,
            "outcome": outcome,
            "problem": problem,
            "left": left,
            "cpu": time.process_time() - cpu,
            "wall": time.monotonic() - wall,
            "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        print(json.dumps(done), flush=True)


class Tally:
    """What came of all files so far."""

    def __init__(self):
        self.outcomes = {"shown": 0, "refused": 0}
        self.bad = []
        self.cpu = self.wall = self.rss = 0

    def add(self, done: dict) -> None:
        number, outcome = done["done"], done["outcome"]
        if outcome == "foreign":
            self.bad.append((number, "foreign exception", done["problem"]))
        else:
            self.outcomes[outcome] += 1
        if done["left"]:
            self.bad.append((number, "leftover", str(done["left"])))
        if done["cpu"] > CPU_LIMIT:
            self.bad.append((number, "hang", f"{done['cpu']:.1f} s of processor time"))
        if done["rss"] > MEMORY_LIMIT:
            self.bad.append((number, "memory", f"{done['rss']} MB"))
        self.cpu, self.wall = max(self.cpu, done["cpu"]), max(self.wall, done["wall"])
        self.rss = max(self.rss, done["rss"])


def run_chunk(seed_folder: Path, first: int, last: int, tally: Tally) -> int:
    """Let a child try files first..last-1; the number of the next file to try."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "tools.fuzz_imagery", "--child", str(seed_folder), str(first), str(last)]
        environment = {**os.environ, "TMPDIR": temporary}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert process.stdout is not None
        running = first
        while True:
            ready, _, _ = select.select([process.stdout], [], [], WALL_LIMIT)
            if not ready:
                process.kill()
                process.wait()
                tally.bad.append((running, "hang", f"killed after {WALL_LIMIT:g} s"))
                return running + 1
            line = process.stdout.readline()
            if not line:
                break
            message = json.loads(line)
            if "start" in message:
                running = message["start"]
            else:
                tally.add(message)
                running = message["done"] + 1
        if process.wait() != 0:
            tally.bad.append((running, "crash", f"exit status {process.returncode}"))
            return running + 1
        return last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that did harm")
    parser.add_argument("--child", nargs=3, metavar=("SEEDS", "FIRST", "LAST"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Path(options.child[0]), int(options.child[1]), int(options.child[2]))
        return 0
    from tests.support.made_images import make_all

    with tempfile.TemporaryDirectory() as folder:
        made, seed_folder = Path(folder) / "made", Path(folder) / "seeds"
        seed_folder.mkdir()
        for file in make_all(made):
            if file.path.name not in SKIPPED_SEEDS and file.path.name.isascii() and file.path.name.isprintable():
                shutil.copy(file.path, seed_folder / file.path.name)
        seeds = [(path.name, path.read_bytes()) for path in sorted(seed_folder.iterdir())]
        tally, number, last = Tally(), options.first, options.first + options.files
        while number < last:
            number = run_chunk(seed_folder, number, min(number + CHUNK, last), tally)
            print(f"{number - options.first} of {options.files}: {tally.outcomes}, {len(tally.bad)} bad", flush=True)
        for bad, kind, detail in tally.bad:
            name, content = mutated(bad, seeds)
            print(f"file {bad} ({name}): {kind}: {detail}")
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{bad}_{name}").write_bytes(content)
    kinds = ("crash", "hang", "foreign exception", "leftover", "memory")
    counts = ", ".join(f"{sum(kind == k for _, kind, _ in tally.bad)} {k}" for k in kinds)
    print(f"{options.files} files of {len(seeds)} seeds: {tally.outcomes}; {counts}")
    print(f"longest: {tally.cpu:.2f} s of processor time, {tally.wall:.1f} s; largest process: {tally.rss} MB")
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
