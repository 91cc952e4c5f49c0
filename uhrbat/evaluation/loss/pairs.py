"""Pairs of one scene with and without the object that decides a question, every other pixel equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from uhrbat.encoded import EncodedImage
from uhrbat.evaluation.encoded import WorldEncoder
from uhrbat.imagery import canvas_of, scale_images
from uhrbat.worlds import World, WorldQuestion, generate, matches, questions
from uhrbat.worlds.questions import NUMBERS
from uhrbat.worlds.vocabulary import COUNT, PRESENCE


@dataclass(frozen=True)
class Case:
    """A question asked of a scene with its deciding object and, where it has an answer there, without it.

    left_out: the deciding object's index. truth_without: None where the question makes no sense without the object.
    """

    question: WorldQuestion
    left_out: int
    truth_without: str | None


def cases(scene: World, seed: int, pairs: int, per_scene: int = 20) -> dict[int, list[Case]]:
    """Of `per_scene` questions of a scene those that an object decides, by that object: its smallest evidence.

    At most `pairs` objects, the smallest first among those whose absence changes an answer.
    """
    found: dict[int, list[Case]] = {}
    for question in questions(scene, seed, per_scene):
        if question.evidence:
            index = min(question.evidence, key=lambda one: (scene.objects[one].size, one))
            found.setdefault(index, []).append(Case(question, index, _truth_without(scene, question)))
    decided = [index for index in found if any(case.truth_without for case in found[index])]
    kept = sorted(decided, key=lambda index: (scene.objects[index].size, index))[:pairs]
    return {index: found[index] for index in kept}


def _truth_without(scene: World, question: WorldQuestion) -> str | None:
    """The answer once one of the objects is gone; None where there is none, it stays, or is not among the choices."""
    left = len(matches(scene, question.targets[0])) - 1
    if question.type not in (PRESENCE, COUNT) or (question.type == PRESENCE and left):
        return None
    answer = "no" if question.type == PRESENCE else NUMBERS[left]
    if not question.choices:
        return answer
    return next((choice for choice in question.choices if choice.partition(") ")[2] == answer), None)


def evidence_without(scene: World, question: WorldQuestion, left_out: int) -> list[tuple[int, int, int, int]]:
    """The boxes of a question's evidence that are left without the object."""
    return [scene.objects[index].box for index in question.evidence if index != left_out]


def scenes_without(
    encoder: WorldEncoder, scene: World, encoded: EncodedImage, indices: list[int]
) -> Iterator[tuple[int, EncodedImage]]:
    """Each object left out of a scene, and the encoding without it."""
    if not indices:
        return
    picture = scene.image if scene.image.size else generate(scene.seed).image
    before = dict(scale_images(canvas_of(picture), encoded.square.sizes, encoded.square.least))
    for index in indices:
        features = encoder.features_after(encoded, before, generate(scene.seed, without=(index,)).image)
        yield index, encoder.encoding((scene.size, scene.size), features)
