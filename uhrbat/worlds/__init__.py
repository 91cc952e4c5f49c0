"""Procedural ultra-high-resolution worlds with exact ground truth, and questions about them."""

from uhrbat.worlds.generator import generate
from uhrbat.worlds.questions import direction_of, matches, place_of, plain_questions, questions
from uhrbat.worlds.types import World, WorldObject, WorldQuestion
from uhrbat.worlds.vocabulary import (
    COLORS,
    DEVELOPMENT_SEEDS,
    EVALUATION_SEEDS,
    EXAMPLE_SEEDS,
    KIND_COLORS,
    KIND_SIZES,
    KINDS,
    LAND_COVERS,
    PHRASES,
    QUESTION_TYPES,
    TRAIN_SEEDS,
    phrase,
)

__all__ = [
    "COLORS",
    "DEVELOPMENT_SEEDS",
    "EVALUATION_SEEDS",
    "EXAMPLE_SEEDS",
    "KINDS",
    "KIND_COLORS",
    "KIND_SIZES",
    "LAND_COVERS",
    "PHRASES",
    "QUESTION_TYPES",
    "TRAIN_SEEDS",
    "World",
    "WorldObject",
    "WorldQuestion",
    "direction_of",
    "generate",
    "matches",
    "phrase",
    "place_of",
    "plain_questions",
    "questions",
]
