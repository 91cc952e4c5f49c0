"""The preserve-and-merge order: every token's rank, of which every budget is a prefix.

The walk of UHR-BAT (paper, region-wise preserve and merge; `docs/method.md`, item 5) does not depend on the
budget. It is done once, here, as a few sorts; selecting at another budget only cuts the order at another
place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from uhrbat.choices import DROPPED, MERGED, ORDERS, PRESERVED
from uhrbat.errors import InputError
from uhrbat.results import LedgerRow

Indices = Tensor | np.ndarray | Sequence[int]
"""Tokens, tile-major."""

# Columns of the embeddings averaged at a time in `Selection.pool`, so that wide embeddings never double in
# memory.
_POOL_COLUMNS = 512


@dataclass(frozen=True, eq=False, repr=False)
class Ranking:
    """The fixed order in which one scale's N tokens enter the budget.

    rank: int64[N], the smallest budget at which a token is represented, from 1; N + 1 where it never is.
    merged: bool[N], the token then enters in its region's average (the released code's `aggregated`), which
        may be an average of the token alone; `averaged` leaves those out.
    region: int64[N], as given.
    order: int64[M], the tokens that can enter, by rank, those of one average by index.
    starts: int64[G + 1], where each of the G groups begins in `order`; group g enters at budget g + 1.
    """

    rank: Tensor
    merged: Tensor
    region: Tensor
    order: Tensor
    starts: Tensor

    @property
    def tokens(self) -> int:
        """N, all tokens of the scale."""
        return self.rank.numel()

    @property
    def never(self) -> int:
        """The rank of tokens that no budget represents."""
        return self.tokens + 1

    @property
    def groups_count(self) -> int:
        """G: the largest budget that can be used up; one group is one token for the language model."""
        return self.starts.numel() - 1

    @cached_property
    def group_size(self) -> Tensor:
        """int64[N]: with how many tokens, itself included, a token enters; 0 where it never does."""
        sizes = torch.zeros_like(self.rank)
        lengths = self.starts.diff()
        sizes[self.order] = lengths.repeat_interleave(lengths)
        return sizes

    @cached_property
    def averaged(self) -> Tensor:
        """bool[N]: the token enters in an average with at least one other; this is what fates are made of."""
        return self.merged & (self.group_size > 1)

    def members(self, token: int) -> Tensor:
        """int64[n], ascending: the tokens that share this token's place, itself included; or none."""
        if not 0 <= token < self.tokens:
            raise InputError(f"Token {token} does not exist: this scale has tokens 0 to {self.tokens - 1}.")
        group = int(self.rank[token]) - 1
        if group >= self.groups_count:
            return self.order[:0]
        return self.order[int(self.starts[group]) : int(self.starts[group + 1])]

    def select(self, k: int) -> "Selection":
        """The first `k` groups, or all there are where `k` is more. Raises InputError where k is below 0."""
        if isinstance(k, bool) or int(k) != k or k < 0:
            raise InputError(f"A budget of {k!r} tokens is not usable: give a whole number from 0.")
        return Selection(self, int(k))

    def with_tokens(self, force: Indices) -> "Ranking":
        """The same order with the tokens `force` (indices) in front, each preserved, in the order of their
        ranks.

        They leave their groups; what is left of a group keeps its place. Region means are not computed again.
        Tokens that could never enter can be forced in.
        """
        force = self._indices(force)
        merged = self.merged.clone()
        merged[force] = False
        key = self.rank + self.tokens
        key[force[torch.argsort(self.rank[force], stable=True)]] = torch.arange(force.numel(), device=key.device)
        enters = self.rank < self.never
        enters[force] = True
        return self._reordered(key, enters, merged)

    def without(self, indices: Indices) -> "Ranking":
        """The same order in which the tokens `indices` never enter; the others keep their order and move up.

        They leave their groups; region means are not computed again.
        """
        enters = self.rank < self.never
        enters[self._indices(indices)] = False
        return self._reordered(self.rank, enters, self.merged & enters)

    def __repr__(self) -> str:
        return f"Ranking({self.tokens:,} tokens in {self.groups_count:,} groups)"

    def to(self, device: torch.device | str) -> "Ranking":
        """This ranking with its tensors on `device`."""
        return replace(self, **{name: getattr(self, name).to(device) for name in self.__dataclass_fields__})

    def _indices(self, indices: Indices) -> Tensor:
        found = torch.as_tensor(indices, dtype=torch.int64, device=self.rank.device).reshape(-1).unique()
        if found.numel() and not (int(found[0]) >= 0 and int(found[-1]) < self.tokens):
            raise InputError(f"Token indices must lie between 0 and {self.tokens - 1}.")
        return found

    def _reordered(self, key: Tensor, enters: Tensor, merged: Tensor) -> "Ranking":
        order = torch.argsort(torch.where(enters, key, torch.iinfo(key.dtype).max), stable=True)
        return _build(order[: int(enters.sum())], key, merged, self.region)


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """A ranking cut at `budget`: what one scale hands to the language model."""

    ranking: Ranking
    budget: int

    @property
    def used(self) -> int:
        """Tokens handed over: the budget, or fewer where the ranking has fewer groups."""
        return min(self.budget, self.ranking.groups_count)

    def __len__(self) -> int:
        return self.used

    @cached_property
    def groups(self) -> tuple[Tensor, ...]:
        """Index tensors (int64, ascending), in the order emitted; each is one token for the model."""
        return torch.split(self.tokens, self._lengths.tolist()) if self.used else ()

    @property
    def tokens(self) -> Tensor:
        """int64[m]: every token represented, in the order emitted."""
        return self.ranking.order[: int(self.ranking.starts[self.used])]

    @property
    def alone(self) -> Tensor:
        """int64[m]: of every group the one token that it is, or -1 where it averages several."""
        first = self.tokens[self.ranking.starts[: self.used]]
        return torch.where(self._lengths > 1, -1, first)

    @cached_property
    def kind(self) -> Tensor:
        """int8[N]: each token's fate, 0 dropped, 1 preserved, 2 merged (with at least one other)."""
        ranking = self.ranking
        kind = torch.where(ranking.averaged, MERGED, PRESERVED)
        return torch.where(ranking.rank <= self.used, kind, DROPPED).to(torch.int8)

    @property
    def preserved(self) -> int:
        """Tokens handed over as they are."""
        return int((self.kind == PRESERVED).sum())

    @property
    def merged(self) -> int:
        """Tokens that are part of an average with others."""
        return int((self.kind == MERGED).sum())

    @property
    def dropped(self) -> int:
        """Tokens that nothing represents."""
        return int((self.kind == DROPPED).sum())

    def ledger(self, size: int, padding: Tensor | None = None) -> LedgerRow:
        """Where the tokens of the scale of this size went; padding: bool[N], those that show nothing of the image."""
        outside = torch.zeros_like(self.ranking.merged) if padding is None else padding.to(self.kind.device)
        kept, inside = self.kind, ~outside
        counts = torch.bincount(kept[inside].long(), minlength=3).tolist()
        return LedgerRow(
            size=size,
            tokens=int(inside.sum()),
            budget=self.budget,
            used=self.used,
            preserved=counts[PRESERVED],
            merged=counts[MERGED],
            dropped=counts[DROPPED],
            regions=self.ranking.region[self.tokens].unique().numel(),
            padding=int(outside.sum()),
            padding_used=int((kept[outside] == PRESERVED).sum()),
        )

    def __repr__(self) -> str:
        return f"Selection({self.used:,} of {self.ranking.tokens:,} tokens, budget {self.budget:,})"

    def pool(self, embeddings: Tensor) -> Tensor:
        """Embeddings float[N, d] of the scale -> float[len(groups), d], in their dtype: groups averaged, in
        order.

        Averages are made in float32 (float64 for float64). Raises InputError where N does not fit.
        """
        if embeddings.ndim != 2 or embeddings.shape[0] != self.ranking.tokens:
            raise InputError(f"Embeddings of shape {tuple(embeddings.shape)} do not fit {self.ranking.tokens} tokens.")
        device, lengths = embeddings.device, self._lengths.to(embeddings.device)
        first = self.ranking.starts[: self.used].to(device)
        tokens = self.tokens.to(device)
        pooled = embeddings.index_select(0, tokens[first])
        several = torch.nonzero(lengths > 1).flatten()
        if several.numel():
            tokens, sizes = tokens[(lengths > 1).repeat_interleave(lengths)], lengths[several]
            for columns in range(0, embeddings.shape[1], _POOL_COLUMNS):
                part = embeddings[:, columns : columns + _POOL_COLUMNS].index_select(0, tokens)
                part = part.to(torch.promote_types(part.dtype, torch.float32))
                mean = torch.segment_reduce(part, "mean", lengths=sizes, axis=0)
                pooled[several, columns : columns + _POOL_COLUMNS] = mean.to(pooled.dtype)
        return pooled

    @cached_property
    def _lengths(self) -> Tensor:
        return self.ranking.starts[: self.used + 1].diff()


def rank_tokens(
    importance: Tensor,
    regions: Tensor,
    order: str = "mean",
    background: int | None = None,
    excluded: Tensor | None = None,
) -> Ranking:
    """Rank one scale's tokens in UHR-BAT's preserve-and-merge order (`docs/method.md`, item 5).

    Regions are walked by their mean importance (order "mean", the paper) or their highest importance ("max":
    one important token is not hidden by a large region), descending, ties by region id. In a region the
    tokens strictly above the region's mean are emitted one by one, descending, ties by token index; then all
    others as one average.

    importance: float[N], finite, any range. regions: int[N], one id a token; tokens with an id below 0 never
        enter.
    background: the id whose tokens are each a region of their own, emitted as they are and, at equal
        importance, before all other regions (SAM's label 0). None: no such id.
    excluded: bool[N], tokens that never enter and are not averaged (padding, no data).

    A region's mean is summed in float64 and rounded to importance's dtype (at least float32), so that a
    region of equal importances has no token above its mean, on any device. Raises InputError where shapes or
    values do not fit.
    """
    importance, regions, enters = _checked(importance, regions, order, excluded)
    ids = regions
    if regions.numel() and int(regions.max()) >= 2 * regions.numel():
        ids = torch.unique(regions, return_inverse=True)[1]
    count, device = importance.numel(), importance.device
    alone = regions == background if background is not None else torch.zeros_like(enters)

    # Every background token and every region is a candidate; tokens that never enter go to none.
    offset = count if background is not None else 0
    candidate = torch.where(alone, torch.arange(count, device=device), ids + offset)
    candidate = torch.where(enters, candidate, 0)
    candidates = int(candidate.max()) + 1 if count else 0
    weight = enters.to(torch.float64)
    size = torch.zeros(candidates, dtype=torch.float64, device=device).index_add_(0, candidate, weight)
    total = torch.zeros_like(size).index_add_(0, candidate, weight * importance)
    mean = (total / size.clamp(min=1)).to(importance.dtype)
    if order == "mean":
        score = mean.masked_fill(size == 0, -torch.inf)
    else:
        score = torch.full_like(mean, -torch.inf)
        score = score.scatter_reduce_(0, candidate, importance.masked_fill(~enters, -torch.inf), "amax")
    place = torch.empty(candidates, dtype=torch.int64, device=device)
    place[torch.argsort(score, descending=True, stable=True)] = torch.arange(candidates, device=device)

    single = alone | (importance > mean[candidate])
    key = place[candidate] * 2 + (~single).to(torch.int64)
    key = torch.where(enters, key, 2 * candidates)
    by_importance = torch.argsort(importance.masked_fill(~single, -torch.inf), descending=True, stable=True)
    walk = by_importance[torch.argsort(key[by_importance], stable=True)][: int(enters.sum())]
    return _build(walk, torch.where(single, -1, key), ~single & enters, regions)


def _build(order: Tensor, key: Tensor, merged: Tensor, region: Tensor) -> Ranking:
    """Ranking of tokens already in order; merged neighbours with one key are one group."""
    keys, together = key[order], merged[order]
    begins = torch.ones_like(together)
    begins[1:] = ~(together[1:] & together[:-1] & (keys[1:] == keys[:-1]))
    rank = torch.full_like(key, key.numel() + 1)
    rank[order] = begins.cumsum(0)
    end = torch.full((1,), order.numel(), dtype=torch.int64, device=order.device)
    starts = torch.cat([torch.nonzero(begins).flatten(), end])
    return Ranking(rank=rank, merged=merged, region=region, order=order, starts=starts)


def _checked(importance: Tensor, regions: Tensor, order: str, excluded: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    if order not in ORDERS:
        raise InputError(f"Order {order!r} is not known: use one of {', '.join(ORDERS)}.")
    importance, regions = torch.as_tensor(importance), torch.as_tensor(regions)
    if importance.ndim != 1 or regions.shape != importance.shape:
        raise InputError(
            f"Importance {tuple(importance.shape)} and regions {tuple(regions.shape)} must be one per token."
        )
    if not importance.dtype.is_floating_point or regions.dtype.is_floating_point or regions.dtype.is_complex:
        raise InputError(f"Importance must be floats and regions integers, not {importance.dtype}, {regions.dtype}.")
    if not torch.isfinite(importance).all():
        raise InputError("Importance holds values that are not finite numbers.")
    importance = importance.to(torch.promote_types(importance.dtype, torch.float32))
    regions = regions.to(importance.device, torch.int64)
    enters = regions >= 0
    if excluded is not None:
        excluded = torch.as_tensor(excluded, device=importance.device)
        if excluded.shape != importance.shape or excluded.dtype != torch.bool:
            raise InputError(f"Excluded tokens must be {importance.numel()} booleans, one a token.")
        enters = enters & ~excluded
    return importance, regions, enters
