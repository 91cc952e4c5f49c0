"""Bodies of uploads on their way in."""

import asyncio

from app.state import uploads
from app.state.uploads import in_large_parts


def seen(parts: list[dict]) -> list[dict]:
    """What an application behind `in_large_parts` receives of these messages."""

    async def read() -> list[dict]:
        waiting = iter(parts)

        async def receive() -> dict:
            return next(waiting)

        larger, found = in_large_parts(receive), []
        while not found or found[-1].get("more_body"):
            found.append(await larger())
        return found

    return asyncio.run(read())


def body(data: bytes, more: bool) -> dict:
    return {"type": "http.request", "body": data, "more_body": more}


def test_small_parts_are_joined(monkeypatch):
    monkeypatch.setattr(uploads, "_PART", 10)
    found = seen([body(b"abc", True)] * 9 + [body(b"end", False)])
    assert found == [body(b"abc" * 4, True), body(b"abc" * 4, True), body(b"abc" + b"end", False)]


def test_a_body_of_one_part_is_left_as_it_is():
    assert seen([body(b"all", False)]) == [body(b"all", False)]
    assert seen([{"type": "http.request"}]) == [body(b"", False)]


def test_whoever_leaves_meanwhile_is_noticed_after_what_came():
    gone = {"type": "http.disconnect"}
    assert seen([body(b"abc", True), body(b"de", True), gone]) == [body(b"abcde", True), gone]
