"""What a network is made of: its profile and its configuration, as a checkpoint's config.json holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from uhrbat.geometry import PATCH, SCALES, TILE, Scale, Square

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Profile:
    """How a checkpoint was trained to use positions (docs/method.md, "Where the release differs").

    residual: "square" stretches a scale's map over the square, "tile" squeezes it into every tile (as released).
    attention_residual, selection_residual, region_residual: how often it is added before the attention pass, on
        selected tokens, and on the tokens that are partitioned.
    coordinates: positions of the k-means features, over the "square" or inside the "tile".
    released: trained with the released code, in which the padding's tokens take part like any other.
    """

    name: str
    residual: str
    attention_residual: int
    selection_residual: int
    coordinates: str
    region_residual: int = 0
    released: bool = False


PROFILES = {
    "scene": Profile("scene", "square", 1, 1, "square"),
    "reference": Profile("reference", "tile", 1, 2, "tile", region_residual=2, released=True),
    "reference-no-residual": Profile("reference-no-residual", "tile", 1, 0, "tile", released=True),
    "training-free": Profile("training-free", "square", 0, 0, "square"),
}


@dataclass
class NetworkConfig:
    """Everything needed to build the network; `vision`, `text`, `language` are transformers' own fields.

    image_attention: "causal" as Qwen2 does it, or "self": an image token passes the language model's
        layers attending to itself alone and all of them share one position, so that the tokens are a set:
        their cost is linear in the budget and their order does not matter (nano).
    point_bins: location tokens an axis with which the model points before it answers; 0 if it does not.
    tower: "clip" or "efficientnet". token_mlp: whether selected tokens pass one. residual_sizes: the scales that have a
        residual; None means all.
    least_side: an image whose sides are smaller lies in the middle of a square of this side, in its pixels: what is
        enlarged many times looks like nothing that a model has seen (nano).
    attention_scale: the scale on which the attention importance is computed.
    dense: what is compared with text, the tower's "output" (nano) or the "value" path of its last layer, for
        pretrained CLIP with select_layer -2. contrast: texts that stand for nothing in particular (DenseSimilarity).
    similarity_hidden: width of the layer that tells lookalikes apart before features are compared with text; 0: there
        is none (nano).
    inhibition: image tokens this near (share of the square's side) to a point that was already listed are not seen by
        the first half of the attention heads (inhibition of return): there, what is left to list stands out (nano).
    prior: whether text attends to an image token by how much it looks like what the question names, too: a learned
        number a head times its similarity logits is added to the attention's scores (nano).
    grammar: whether it knows the questions of `uhrbat.grammar` alone, in fixed phrasings (nano).
    familiarity: directions in which the distance of a picture from those of the training is measured; 0: it is not.
    similarity_floor: probabilities below it count as it: what matches nothing is equal, so that a region without a
        match is merged into one token, and no budget is spent on the order of noise.
    """

    vision: dict
    language: dict
    text: dict | None = None
    projection_dim: int = 0
    scales: tuple[int, ...] = SCALES
    select_layer: int = -2
    residual_base: int = 64
    profile: str = "scene"
    image_attention: str = "causal"
    point_bins: int = 0
    tower: str = "clip"
    token_mlp: bool = True
    residual_sizes: tuple[int, ...] | None = None
    least_side: int = 0
    attention_scale: int = SCALES[0]
    dense: str = "output"
    contrast: int = 0
    similarity_hidden: int = 0
    inhibition: float = 0.0
    prior: bool = False
    similarity_floor: float = 0.0
    grammar: bool = False
    familiarity: int = 0
    image_mean: tuple[float, ...] = CLIP_MEAN
    image_std: tuple[float, ...] = CLIP_STD
    extra: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scales = tuple(self.scales)
        self.residual_sizes = self.scales if self.residual_sizes is None else tuple(self.residual_sizes)

    @property
    def tile(self) -> int:
        """Side in pixels of the window that the vision tower takes at once."""
        return self.vision.get("image_size", TILE)

    @property
    def patch(self) -> int:
        """Side of a token in pixels of its scale."""
        return self.vision.get("patch_size", PATCH)

    @property
    def tile_grid(self) -> int:
        """Tokens a side of a tile."""
        return self.tile // self.patch

    def scale(self, size: int) -> Scale:
        """The scale of this size in the model's tiles. InputError where they do not fit it."""
        return Scale(size, self.tile, self.tile_grid)

    def square(self, width: int, height: int) -> Square:
        """The square of an image of so many pixels, in the model's scales and tiles."""
        return Square(width, height, self.scales, self.tile, self.tile_grid, least=self.least_side)

    def to_dict(self) -> dict:
        return asdict(self)
