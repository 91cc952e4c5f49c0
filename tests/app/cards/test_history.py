from tests.support.handlers import event, failed, last

METHOD = ("nano", "default", "default", "default", 0)
BUDGET = {"total": 3000, "per_scale": None}


def ask(cards, request, question, budget=3000, method=METHOD):
    return list(cards.question.asked(question, {"total": budget, "per_scale": None}, *method, request))


def open_example(cards, request, name):
    list(cards.image.pick(event(name=name), request))


def test_every_answer_stands_in_the_history(cards, request_of):
    page = request_of()
    open_example(cards, page, "airfield")
    ask(cards, page, "How many cars?")
    updates = list(cards.answer.again({"total": 64, "per_scale": None}, page))
    entries = last(updates, cards.history.panel)["entries"]
    assert [(entry["question"], sum(entry["budgets"])) for entry in entries] == [
        ("How many cars?", 3000),
        ("How many cars?", 64),
    ]
    assert all(entry["text"] and entry["image"] and entry["seconds"] >= 0 for entry in entries)
    assert last(ask(cards, request_of("another"), "Why?"), cards.question.ask)["state"] == "failed"  # it has no image
    assert len(cards.explorer.sessions.of("another").past) == 0


def test_an_answer_of_before_is_shown_again_with_its_picture_budget_and_method(cards, explorer, request_of):
    page = request_of()
    open_example(cards, page, "airfield")
    ask(cards, page, "How many cars?", 64, ("nano", "attention", "default", "mean", 3))
    first = explorer.sessions.of("page").run
    open_example(cards, page, "harbour")
    entries = last(ask(cards, page, "How many ships?"), cards.history.panel)["entries"]
    updates = list(cards.history.back(event(id=entries[0]["id"]), page))
    assert explorer.sessions.of("page").run is first
    assert last(updates, cards.viewer.panel)["image"]["example"] == "airfield"
    assert last(updates, cards.viewer.panel)["maps"]["id"] == first.id
    assert last(updates, cards.answer.panel)["question"] == last(updates, cards.question.text) == "How many cars?"
    assert last(updates, cards.budget.panel)["total"] == 64
    method = cards.method
    assert [last(updates, each) for each in (method.importance, method.order, method.seed)] == ["attention", "mean", 3]
    inspected = list(cards.object.inspect(BUDGET, event(box=[10, 10, 60, 70]), page))
    assert last(inspected, cards.object.panel)["maps"] == first.id


def test_what_is_not_kept_any_more_is_a_sentence(cards, explorer, request_of):
    page = request_of()
    open_example(cards, page, "airfield")
    ask(cards, page, "How many cars?")
    entry = explorer.sessions.of("page").past[0]
    for id in ("nobody", None, entry.id):
        explorer.sessions.of("page").run = None
        explorer.runs._recent.clear()
        assert "not kept any more" in failed(list(cards.history.back(event(id=id), page)), cards)


def test_a_history_is_its_own_page_s(cards, explorer, request_of):
    open_example(cards, request_of(), "airfield")
    ask(cards, request_of(), "How many cars?")
    entry = explorer.sessions.of("page").past[0]
    updates = list(cards.history.back(event(id=entry.id), request_of("another")))
    assert "not kept" in failed(updates, cards)
