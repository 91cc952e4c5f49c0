import hashlib
import io

from PIL import Image

from app import examples


def test_the_shipped_examples_are_what_they_say():
    listed = examples.load()
    assert len(listed) >= 6 and len({example.name for example in listed}) == len(listed)
    assert sum(example.path.stat().st_size for example in listed) < 25e6
    sizes = []
    for example in listed:
        assert hashlib.sha256(example.path.read_bytes()).hexdigest() == example.sha256
        with Image.open(example.path) as image:
            sizes.append(max(image.size))
            for item in example.objects:
                x0, y0, x1, y1 = item.box
                assert 0 <= x0 < x1 <= image.width and 0 <= y0 < y1 <= image.height
        assert len(example.questions) >= 3 and example.caption.endswith(".")
        for known in example.questions:
            assert known.answer and all(0 <= index < len(example.objects) for index in known.evidence)
            assert example.question(f" {known.text.upper()} ") == known
            assert len(example.boxes(known)) == len(known.evidence)
    assert max(sizes) > 8000


def test_thumbnails_are_small():
    thumbnail = examples.load()[0].thumbnail
    assert len(thumbnail) < 40_000 and max(Image.open(io.BytesIO(thumbnail)).size) <= 208


def test_no_folder_no_examples(tmp_path):
    assert examples.load(tmp_path) == ()
    assert examples.find("nobody") is None
