"""One training sample: which tokens its question selects, and the loss of its answers over those tokens."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from uhrbat import imagery
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.benchmarks.records import ImageSource, open_image_file
from uhrbat.geometry import Square
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.text import Prompt
from uhrbat.selection.ranking import Selection
from uhrbat.settings import Settings
from uhrbat.training.finetune.conversations import Conversation

PICTURES = 2
_ROWS = 16384


@dataclass
class Picture:
    """An image as the frozen vision tower sees it: features float[N, width] by scale. They never change in training."""

    square: Square
    features: dict[int, Tensor]
    excluded: dict[int, Tensor]
    overview: np.ndarray
    visual: dict[int, Tensor] = field(default_factory=dict)


class Sampler(nn.Module):
    """A model with what is trained of it: residuals, projector, token MLP and language model (or its adapters).

    The question alone selects tokens, without gradient; answers never take part in it (the release lets them:
    docs/released-code.md, section 5). The loss is the ordinary next-token loss over the answers.
    """

    def __init__(self, engine: UHRBAT, settings: Settings) -> None:
        super().__init__()
        self.network = engine.network
        self.settings = settings
        self._pictures: OrderedDict[ImageSource, Picture] = OrderedDict()
        self._engine = [engine]  # in a list, so that the engine is not taken for a module of its own
        for frozen in (self.network.vision, self.network.similarity):
            if frozen is not None:
                frozen.requires_grad_(False)
        if not self.network.profile.selection_residual:
            self.network.residuals.requires_grad_(False)

    @property
    def engine(self) -> UHRBAT:
        return self._engine[0]

    def forward(self, conversation: Conversation, budget: tuple[int, ...]) -> tuple[Tensor, int]:
        """Mean loss of the answers over the tokens that the first question selects, and how many these are.

        All of a sample happens in here, for where weights are shared out they are whole only in a forward pass.
        """
        picture = self._read(conversation.image)
        selections = self.select(picture, conversation.turns[0][0], budget)
        return self.loss(picture, selections, conversation.turns), sum(map(len, selections.values()))

    def _read(self, image: ImageSource) -> Picture:
        if image not in self._pictures:
            while len(self._pictures) >= PICTURES:
                self._pictures.popitem(last=False)
            with open_image_file(image) as path:
                self._pictures[image] = self.picture(imagery.read_canvas(path))
        self._pictures.move_to_end(image)
        return self._pictures[image]

    @torch.no_grad()
    def picture(self, canvas: imagery.Canvas) -> Picture:
        """Run the frozen tower over an image."""
        engine = self.engine
        square = engine.network.config.square(*canvas.full_size)
        scene = engine.encode_canvas(canvas, keep_features=True)
        return Picture(square, scene.features, scene.excluded, scene.overview, scene.visual)

    @torch.no_grad()
    def select(self, picture: Picture, question: str, budget: int | tuple[int, ...]) -> dict[int, Selection]:
        """What the question selects of a picture, with the weights as they are now."""
        embeddings = {
            size: torch.cat([self.network.project(part) for part in features.split(_ROWS)])
            for size, features in picture.features.items()
        }
        scene = EncodedImage(
            engine=self.engine,
            info=None,
            square=picture.square,
            embeddings=embeddings,
            visual=picture.visual,
            excluded=picture.excluded,
            overview=picture.overview,
            generated=False,
            seconds={},
        )
        return scene.ask(question, self.settings, lines=True).select(budget).selections

    def image_tokens(self, picture: Picture, selections: dict[int, Selection]) -> Tensor:
        """float[tokens, hidden], with gradient: as `SelectedTokens.image_tokens`, projecting only what is selected."""
        network = self.network
        parts = []
        for size, selection in sorted(selections.items()):
            tokens = selection.tokens.clone()
            lengths = selection.ranking.starts[: selection.used + 1].diff().clone()
            rows = torch.cat([self._embedded(picture.features[size], size, part) for part in tokens.split(_ROWS)])
            slot = torch.arange(len(lengths), device=rows.device).repeat_interleave(lengths)
            pooled = torch.zeros(len(lengths), rows.shape[1], device=rows.device).index_add(0, slot, rows.float())
            parts.append((pooled / lengths[:, None]).to(rows.dtype))
        return network.token_mlp(torch.cat(parts))

    def _embedded(self, features: Tensor, size: int, tokens: Tensor) -> Tensor:
        times = self.network.profile.selection_residual

        def embed(chosen: Tensor) -> Tensor:
            rows = self.network.project(chosen)
            residual = self.network.residual(size, tokens) if times else None
            return rows if residual is None else rows + times * residual.to(rows.dtype)

        return checkpoint(embed, features[tokens], use_reentrant=False)

    def loss(self, picture: Picture, selections: dict[int, Selection], turns: Sequence[tuple[str, str]]) -> Tensor:
        """Mean next-token loss over the answers' ids."""
        prompt, learnt = self.engine.codec.conversation(turns)
        device = self.network.device
        after = torch.tensor(prompt.after, device=device)
        hidden = self._hidden(prompt, self.image_tokens(picture, selections))
        rows = torch.tensor(learnt, device=device).nonzero().flatten()
        return F.cross_entropy(self.network.language.lm_head(hidden[rows - 1]).float(), after[rows])

    def _hidden(self, prompt: Prompt, image: Tensor) -> Tensor:
        """Final hidden states float[T, hidden] of the text after the image."""
        network = self.network
        if network.config.image_attention == "self":
            return prefill(network, [DecoderInput(prompt, image)]).output[0]
        text = torch.cat([network.embed(prompt.before), image.to(network.dtype), network.embed(prompt.after)])[None]
        out = network.language.model(inputs_embeds=text, use_cache=False)
        return out.last_hidden_state[0, -len(prompt.after) :]
