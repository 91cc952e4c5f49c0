"""What can be chosen, listed once: importances, regions, orders, fates, methods; and the defaults. Torch-free."""

from __future__ import annotations

DEFAULT_MODEL = "nano"
DEFAULT_BUDGET = 3000
MAX_QUESTION = 2000
"""Characters of a question that are read."""

IMPORTANCES = ("similarity", "attention", "fused")
REGIONS = ("kmeans", "grid", "sam", "none")
ORDERS = ("max", "mean")
SPLITS = ("paper", "question")
SETTINGS = {"importance": IMPORTANCES, "regions": REGIONS, "order": ORDERS, "split": SPLITS}
"""The settings that are one of a few words, and the words."""

DROPPED, PRESERVED, MERGED, PADDING = 0, 1, 2, 3
"""A token's fate at a budget, as `fate` arrays (uint8) hold it; PADDING: the token shows nothing of the image."""

OURS = "uhrbat"
METHODS = {
    OURS: ("UHR-BAT", "Regions by importance: tokens that stand out one by one, the others averaged."),
    "downsampling": (
        "Downsampling",
        "Whole scales from the coarsest on while they fit, then an even grid of the next.",
    ),
    "dense_tiling": (
        "Dense tiling",
        "The finest scale alone, thinned evenly to the budget, whatever the question.",
    ),
    "global_topk": (
        "Global top-k",
        "The most important tokens of all scales together, one by one; no regions, nothing merged.",
    ),
    "random_tokens": ("Random", "Tokens of all scales drawn at random (seeded), whatever the question."),
    "coarse_to_fine": (
        "Coarse to fine",
        "The better half of the windows at each scale, by the importance of the scale before; then the most "
        "important tokens inside them (in the manner of LRS-VQA's pruning).",
    ),
    "everything_that_fits": (
        "Everything that fits",
        "The finest whole scale that fits the budget, then whatever coarser ones still fit whole.",
    ),
}
"""Token compressors by name: label, and a sentence on what each does."""
