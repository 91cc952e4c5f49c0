import io

import numpy as np
from PIL import Image

from tools.boxes_page import drawn, page
from uhrbat.data.real import Picture


def test_the_page_shows_pictures_with_and_without_boxes_and_what_is_held_back(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (40, 20), "white").save(tmp_path / name)
    pictures = [
        Picture(tmp_path / "a.png", {"airplane": []}, scene="airplane", held=True),
        Picture(tmp_path / "b.png", {"airplane": [(4, 4, 20, 16)]}, {"airplane": [(30, 2, 38, 8)]}, scene="airplane"),
        Picture(tmp_path / "b.png", {"car": [(0, 0, 4, 4)]}),  # of the data's own boxes
    ]
    text = page(pictures, tmp_path)
    assert "airplane: 1 boxed in 2 pictures" in text and "car" not in text
    assert text.index("b.png<br>1 box, 1 unsure") < text.index("a.png<br>0 boxes")
    assert text.count("held back") == 1 and text.count("data:image/jpeg;base64,") == 2

    pixels = np.asarray(Image.open(io.BytesIO(drawn(pictures[1], "airplane"))).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 120)
    assert red[38, 100] and not red[90, 100]  # the box's upper edge, and its inside
