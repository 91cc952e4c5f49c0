from app.progress import Bar
from uhrbat.results import Progress


def test_a_download_has_the_bar_to_itself_and_tells_its_size():
    bar = Bar("Ask")
    reply = bar.value(Progress("load", 0.3, "big: 4.57 of 15.23 GB"))
    assert reply["fraction"] == 0.3 and reply["text"] == "Ask · loading the model · big: 4.57 of 15.23 GB"
    assert bar.value(Progress("read", 0.5))["fraction"] < 0.3
