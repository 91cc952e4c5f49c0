import shutil
from types import SimpleNamespace

import pytest

from app import examples
from tools.make_examples import __main__ as make_examples
from tools.make_examples.__main__ import suggested
from tools.make_examples.lessons import BUDGETS, PLANS, Shown, table
from uhrbat.selection.evidence import AVERAGED, KEPT

PLAN = {plan.name: plan for plan in PLANS}


def shown(least=100, wrong_below=0, pixels=6.0, names=("red car",), text="Where is it?", by_default=True):
    """A question whose evidence is kept from `least` tokens up and whose answer is right from `wrong_below` up."""
    budgets = sorted(BUDGETS)
    return Shown(
        text=text, type="color", truth="red", names=names, pixels=pixels, least=least,
        answers={k: "Red " if k >= wrong_below else "blue" for k in budgets},
        preserved={k: k >= least for k in budgets},
        causes={k: (KEPT if k >= least else AVERAGED,) for k in budgets}, by_default=by_default,
    )  # fmt: skip


def test_the_lost_one_says_why():
    plan, found = PLAN["suburb"], shown(least=5000, wrong_below=5000)
    assert plan.taught_by(found) and plan.importance == "attention"
    caption = plan.caption_of(found)
    assert "at 3,000 tokens" in caption and "averaged away" in caption and "6-pixel" in caption


@pytest.mark.parametrize("found", [
    shown(least=1, wrong_below=5000),        # wrong, but nothing was lost
    shown(least=5000, wrong_below=0),        # lost, but answered all the same
    shown(least=5000, wrong_below=5000, by_default=False),     # not the scoring's doing
    shown(least=5000, wrong_below=5000, pixels=40),
])  # fmt: skip
def test_what_is_not_a_loss_does_not_teach_one(found):
    assert not PLAN["suburb"].taught_by(found)


@pytest.mark.parametrize(("name", "found", "taught"), [
    ("airfield", shown(least=60, pixels=30), True),
    ("airfield", shown(least=60, pixels=8), False),
    ("airfield", shown(least=300, pixels=30), False),
    ("harbour", shown(least=900, pixels=7), True),
    ("harbour", shown(least=2000, pixels=7), False),
    ("rafts", shown(text="Where is the island relative to the fish raft?"), True),
    ("rafts", shown(text="Where is the ship relative to the fish raft?"), False),
    ("tanks", shown(names=("white storage tank",) * 3), True),
    ("tanks", shown(names=("white storage tank",) * 2), False),
    ("lagoon", shown(least=0, pixels=0.0, names=()), True),
    ("lagoon", shown(least=0, pixels=0.0, names=(), wrong_below=256), False),
    ("lagoon", None, False),
])  # fmt: skip
def test_each_plan_knows_its_lesson(name, found, taught):
    assert PLAN[name].taught_by(found) is taught


def test_the_table_tells_answers_and_fates():
    text = table("suburb", shown(least=5000, wrong_below=5000), PLAN["suburb"])
    assert "TEACHES" in text and "wrong  blue" in text and "averaged away" in text and text.count("\n") == 5


def test_suggestions_are_one_of_each_type_with_evidence_first():
    def asked(type, evidence=(), choices=()):
        return SimpleNamespace(type=type, evidence=evidence, choices=choices)

    first, plain, closed, seen = (
        asked("count"),
        asked("color"),
        asked("color", (1,), ("(A) red",)),
        asked("color", (2,)),
    )
    assert suggested(first, [plain, closed, seen, asked("count", (3,))]) == [first, seen]


def test_a_caption_that_is_not_true_any_more_is_told_and_can_be_written_again(tmp_path, monkeypatch, capsys):
    shutil.copy(examples.FOLDER / "examples.json", tmp_path)
    monkeypatch.setattr(make_examples, "show", lambda *given, **named: shown(least=77, pixels=7))
    model, plans = SimpleNamespace(encode=lambda *given, **named: None), (PLAN["harbour"],)
    assert not make_examples.check(model, tmp_path, plans, captions=False)
    assert "the caption is to be: Tiny but kept: the red car, at most 7 pixels long" in capsys.readouterr().out
    assert make_examples.check(model, tmp_path, plans, captions=True)
    examples.load.cache_clear()
    assert make_examples.check(model, tmp_path, plans, captions=False)
    before, after = (examples.load(folder) for folder in (examples.FOLDER, tmp_path))
    assert "77 tokens are enough" in next(e for e in after if e.name == "harbour").caption
    assert [e for e in before if e.name != "harbour"] == [
        e.__class__(**(vars(e) | {"path": examples.FOLDER / e.path.name})) for e in after if e.name != "harbour"
    ]
