"""One page with every picture that this project boxed and its boxes, to check them by eye.

    python -m tools.boxes_page --data DATA/real --out runs/boxes.html

The pictures are not in the repository: they are read from --data and written into the page.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw

from uhrbat.data.real import OWN_BOXES, OWN_KINDS, Picture, read_pictures

SIDE = 384
"""Longer side of a picture on the page."""
SURE, UNSURE = "#ff2d55", "#ffd60a"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1280px; padding: 0 1rem }
:root { color-scheme: light dark }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 1rem }
figure { margin: 0 } img { width: 100%; height: auto; display: block; border-radius: 4px }
figcaption { font-size: 0.8rem; overflow-wrap: anywhere } h2 { margin-top: 2.5rem } .held { font-weight: 600 }
"""


def drawn(picture: Picture, kind: str) -> bytes:
    """A picture with its boxes of one kind, as JPEG; unsure ones in yellow."""
    with Image.open(picture.path) as image:
        pixels = image.convert("RGB")
    scale = SIDE / max(pixels.size)
    pixels = pixels.resize((round(pixels.width * scale), round(pixels.height * scale)), Image.Resampling.LANCZOS)
    pen = ImageDraw.Draw(pixels)
    for boxes, color in ((picture.boxes.get(kind, ()), SURE), (picture.unsure.get(kind, ()), UNSURE)):
        for box in boxes:
            pen.rectangle([value * scale for value in box], outline=color, width=2)
    file = io.BytesIO()
    pixels.save(file, "JPEG", quality=85)
    return file.getvalue()


def figure(picture: Picture, kind: str, data: Path) -> str:
    """One picture of the page with its caption."""
    source = base64.b64encode(drawn(picture, kind)).decode()
    boxes, unsure = len(picture.boxes.get(kind, ())), len(picture.unsure.get(kind, ()))
    said = f"{boxes} {'box' if boxes == 1 else 'boxes'}" + (f", {unsure} unsure" if unsure else "")
    held = ' <span class="held">held back</span>' if picture.held else ""
    name = html.escape(str(picture.path.relative_to(data)))
    return (
        f'<figure><img loading="lazy" alt="{name}: {said}" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{name}<br>{said}{held}</figcaption></figure>"
    )


def page(pictures: list[Picture], data: Path) -> str:
    """The whole page, by kind, pictures that show the kind first."""
    by_kind: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        for kind in picture.boxes if picture.scene else ():
            by_kind[kind].append(picture)
    parts = []
    for kind in sorted({kind for kinds in OWN_KINDS.values() for kind in kinds} & by_kind.keys()):
        shown = sorted(by_kind[kind], key=lambda picture: (not picture.boxes[kind], str(picture.path)))
        count = sum(len(picture.boxes[kind]) for picture in shown)
        figures = "\n".join(figure(picture, kind, data) for picture in shown)
        parts.append(f"<h2>{kind}: {count} boxed in {len(shown)} pictures</h2>\n<section>\n{figures}\n</section>")
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>Our own boxes</title>\n<style>{STYLE}</style>\n<h1>Our own boxes</h1>\n"
        "<p>Boxes in red; in yellow what may or may not show the kind, which is neither taught nor counted. A picture "
        "without boxes was looked at and shows none.</p>\n" + "\n".join(parts) + "\n</html>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of real pictures")
    parser.add_argument("--out", type=Path, default=Path("runs/boxes.html"))
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(page(read_pictures(args.data, OWN_BOXES), args.data))
    print(args.out)


if __name__ == "__main__":
    main()
