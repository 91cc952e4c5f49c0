"""Everything that the explorer does with a model, with a model of each family."""

import numpy as np
import pytest
import torch

from uhrbat.choices import DROPPED, MERGED, METHODS, ORDERS, PRESERVED, REGIONS, SPLITS
from uhrbat.cli import main
from uhrbat.engine import UHRBAT
from uhrbat.selection.baselines import BASELINES
from uhrbat.selection.evidence import AVERAGED, CAUSES, CUT, DILUTED, KEPT, TOO_SMALL
from uhrbat.settings import Settings

QUESTION = "How many ships are there?"
BUDGETS = (4, 60, 400)


@pytest.fixture(scope="session")
def question(encoded):
    return encoded.ask(QUESTION)


def expected(asked, budget):
    """Tokens that a budget comes to: a scale of few regions may have fewer than its share."""
    return sum(min(share, asked.rankings[size].groups_count) for size, share in asked.budgets(budget).items())


def kinds(selected):
    return {size: part.kind for size, part in selected.selections.items()}


@pytest.mark.parametrize("regions", REGIONS)
def test_every_partition_and_order_ranks_each_token_once(encoded, regions):
    encoded.use_masks(np.arange(16, dtype=np.int32).reshape(4, 4).repeat(8, 0).repeat(8, 1))  # in place of a SAM's
    for order in ORDERS if regions == "grid" else ORDERS[:1]:
        asked = encoded.ask(QUESTION, Settings(importance="attention", regions=regions, order=order))
        for scale in encoded.square.scales:
            ranking, region = asked.rankings[scale.size], asked.regions[scale.size]
            inside = ~encoded.excluded[scale.size]
            alone = ranking.rank[inside & ~ranking.averaged]
            assert len(alone.unique()) == len(alone) and ranking.group_size.shape == region.shape == (scale.tokens,)
            assert (ranking.rank[~inside] == ranking.never).all()
        given = asked.select(100).image_tokens()
        assert given.shape == (expected(asked, 100), encoded.embeddings[encoded.square.sizes[0]].shape[1])


@pytest.mark.parametrize("split", SPLITS)
def test_a_budget_is_a_prefix_and_the_ledger_adds_up(encoded, split):
    asked, before = encoded.ask(QUESTION, Settings(importance="attention", split=split)), None
    for budget in BUDGETS:
        selected = asked.select(budget)
        assert sum(selected.budgets.values()) == budget and selected.tokens == expected(asked, budget)
        for size, row in selected.ledger.items():
            scale = encoded.scale(size)
            assert row.tokens + row.padding == scale.tokens and row.preserved + row.merged + row.dropped == row.tokens
        now = kinds(selected)
        if before:
            assert all((now[size][kind != DROPPED] != DROPPED).all() for size, kind in before.items())
        before = now


def test_a_sweep_and_a_comparison_answer_within_their_budgets(question):
    decoder = question.image.engine.decoder(2)
    swept = [question.select(budget) for budget in BUDGETS]
    compared = [question.baseline(name, 90) for name in BASELINES]
    assert set(METHODS) == {"uhrbat", *BASELINES}
    assert [selected.tokens for selected in swept] == [expected(question, budget) for budget in BUDGETS]
    assert all(0 < selected.tokens <= 90 for selected in compared)
    inputs = [selected.decoder_input() for selected in (*swept, *compared)]
    said = decoder.decode(inputs)
    assert len(said) == len(inputs) and all(one.truncated or len(one.ids) <= 2 for one in said)
    assert len({one.image_tokens for one in inputs[:3]}) == 3


def test_a_box_is_forced_in_and_taken_out(question):
    square, budget = question.image.square, 40
    box = (1800.0, 560.0, 1890.0, 650.0)
    plain, forced = question.select(budget), question.select(budget, force=[box])
    without = question.select(budget, without=[box])
    assert forced.budgets == without.budgets == plain.budgets and forced.tokens == budget
    for scale in square.scales:
        inside = torch.as_tensor(square.tokens_in_box(scale, box))
        kept = min(forced.budgets[scale.size], len(inside))
        assert (kinds(forced)[scale.size][inside] == PRESERVED).sum() == kept > 0
        assert (kinds(without)[scale.size][inside] == DROPPED).all()
    assert not torch.equal(plain.image_tokens(), forced.image_tokens())
    answers = [selected.decoder_input() for selected in (plain, forced, without)]
    assert [one.image_tokens for one in answers] == [plain.tokens, forced.tokens, without.tokens]


def test_each_cause_of_a_loss_is_named(question):
    """The best and the worst tokens' places at three budgets: the cause is the one that the tokens there show."""
    square, causes = question.image.square, set()
    (size,) = question.scored_scales
    inside = torch.where(question.image.excluded[size], torch.nan, question.importance[size]).argsort()
    inside = inside[: int((~question.image.excluded[size]).sum())].tolist()
    boxes = [tuple(square.token_box(size, token).tolist()) for token in (*inside[:5], *inside[-15:])]
    boxes.append((700.0, 800.0, 701.0, 801.0))
    for budget in (1, 60, 400):
        now = kinds(question.select(budget))
        for box in boxes:
            fate = question.fate(box, budget)
            causes.add(fate.cause)
            assert fate.cause in CAUSES and [row.size for row in fate.rows] == list(square.sizes)
            found = {at: now[at][torch.as_tensor(square.tokens_in_box(at, box))] for at in square.sizes}
            assert (fate.cause == KEPT) == any((kind == PRESERVED).any() for kind in found.values())
            if fate.cause == AVERAGED:
                assert any((kind == MERGED).any() for kind in found.values())
            if fate.cause == TOO_SMALL:
                assert (box[2] - box[0]) * size / square.side < 1.3
            if fate.smallest_budget is not None:
                assert question.fate(box, fate.smallest_budget).cause == KEPT
    assert causes >= {KEPT, TOO_SMALL, DILUTED} and causes & {CUT, AVERAGED}


def test_the_command_line_inspects_a_box(encoded, picture, monkeypatch, capsys):
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_: encoded.engine)
    monkeypatch.setattr(encoded.engine, "encode", lambda *_, **__: encoded)
    box = ["--box", "700", "800", "760", "860"]
    assert main(["inspect", str(picture), QUESTION, *box, "--budget", "60"]) == 0
    assert len(capsys.readouterr().out.splitlines()) >= 3


def test_a_native_scale_is_looked_at(question):
    encoded = question.image
    looked = encoded.ask(QUESTION, looks=2)
    found = {size: len(tiles) for size, tiles in looked.image.square.looks}
    assert sum(found.values()) == 2 and min(found) > encoded.square.sizes[-1]
    selected = looked.select(200)
    assert selected.tokens == selected.decoder_input().image_tokens > 50
    for size, tiles in found.items():
        assert (
            len(looked.importance[size]) == tiles * encoded.engine.tile_grid**2 and len(selected.selections[size]) > 0
        )
    assert selected.answer(max_new_tokens=2).tokens == selected.tokens
