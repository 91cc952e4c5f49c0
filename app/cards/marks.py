"""Where the model pointed, beside what is true: evidence found, missed, imagined; and whether it was right."""

from typing import Any

from uhrbat.answers import same_answer

from ..examples import Example, KnownObject, KnownQuestion


def points(
    pointed: tuple[tuple[float, float], ...], example: Example | None, known: KnownQuestion | None, cell: float
) -> list[dict[str, Any]]:
    """The model's points, and the evidence it missed where the evidence is known.

    A point finds an object when it lies within one location cell of its box (`cell`: its side in image pixels, from the
    model); each object is found once.
    """
    if not (example and known):
        return [{"x": x, "y": y, "status": "pointed", "label": "the model points here"} for x, y in pointed]
    left = {index: example.objects[index] for index in known.evidence}
    marks = []
    for x, y in pointed:
        near = [(distance, i) for i in left if (distance := _distance((x, y), left[i].box)) <= cell]
        if near:
            item = left.pop(min(near)[1])
            marks.append({"x": x, "y": y, "status": "found", "label": f"found: {_name(item)}"})
        else:
            marks.append({"x": x, "y": y, "status": "imagined", "label": "imagined: no evidence here"})
    for item in left.values():
        x0, y0, x1, y1 = item.box
        marks.append(
            {
                "x": (x0 + x1) / 2,
                "y": (y0 + y1) / 2,
                "status": "missed",
                "box": list(item.box),
                "label": f"missed: {_name(item)}",
            }
        )
    return marks


def correct(answer: str, known: KnownQuestion | None) -> bool | None:
    """Whether an answer is the true one, by its words; None where the truth is not known."""
    return None if known is None else same_answer(answer, known.answer)


def _distance(point: tuple[float, float], box: tuple[int, int, int, int]) -> float:
    """Larger of the two ways, across and down, from a point to a box; 0 inside."""
    (x, y), (x0, y0, x1, y1) = point, box
    return max(x0 - x, x - x1, y0 - y, y - y1, 0)


def _name(item: KnownObject) -> str:
    return " ".join(word for word in (item.color, item.kind) if word)
