"""The address bar follows the page: reload, Back and a copied link lead to what was shown."""

from urllib.parse import parse_qs, urlsplit

from app import examples
from tests.support.browsing import ANSWER_MS, ask, state


def asked_for(page):
    return {key: value[0] for key, value in parse_qs(urlsplit(page.url).query).items()}


def test_the_address_follows_and_a_reload_and_back_lead_there(open_page):
    page = open_page("?__sign=secret")
    first, second = (example.name for example in examples.load()[:2])
    page.evaluate("window.UHRBAT.chooseBudget(777)")
    page.click("[data-value=regions]")
    page.wait_for_function("location.search.includes('budget=777') && location.search.includes('layer=regions')")
    opened = state(page, "image.example")
    other = second if opened == first else first
    page.click(f"[data-example={other}]")
    page.wait_for_function(f"location.search.includes('example={other}')")
    ask(page)
    page.wait_for_function("location.search.includes('ask=1')")
    assert asked_for(page)["__sign"] == "secret"
    assert "secret" not in page.evaluate("window.UHRBAT.shareLink()")

    question = state(page, "question")
    open_page.reload(page)
    page.wait_for_selector("#uhr-answer", timeout=ANSWER_MS)
    assert (state(page, "image.example"), state(page, "question")) == (other, question)

    page.wait_for_function("!window.UHRBAT.state.busy", timeout=ANSWER_MS)
    page.go_back()
    page.wait_for_function(f"window.UHRBAT.state.image?.example === '{opened}'", timeout=ANSWER_MS)
    assert asked_for(page)["budget"] == "777"
