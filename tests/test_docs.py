"""README and documentation: links, commands, length, and the figures that come from JSON."""

import re
from pathlib import Path

import pytest

from tools.make_results import files, timed_lines, with_parts
from tools.site_pages import PLACES, site_links
from uhrbat import grammar

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "tools" / "README.md",
    ROOT / "uhrbat" / "nano" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
OF_OTHERS = ("venv", "pip", "mkdocs", "torch.distributed.run")
MADE = files(ROOT)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_readme_fits_a_page():
    _, _, body = (ROOT / "README.md").read_text().split("---\n", 2)
    assert len(body.strip().splitlines()) <= 90


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_name_modules_that_exist(page):
    for name in set(re.findall(r"(?<![\w-])-m ([a-z][\w.]*\w)", page.read_text())) - set(OF_OTHERS):
        place = ROOT.joinpath(*name.split("."))
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), f"-m {name}"


def test_nano_understands_the_questions_of_the_examples():
    blocks = [block for page in PAGES for block in re.findall(r"```.*?```", page.read_text(), re.DOTALL)]
    asked = {question for block in blocks for question in re.findall(r'"([A-Z][^"\n]*\?)"', block)}
    assert asked and not [question for question in asked if not grammar.read(question).understood]


def test_every_tool_is_listed():
    listed = (ROOT / "tools" / "README.md").read_text()
    missing = [path.stem for path in (ROOT / "tools").glob("[a-z]*.py") if path.stem not in listed]
    assert not missing


@pytest.mark.parametrize("path", MADE, ids=str)
def test_results_are_those_of_the_json(path):
    assert (ROOT / path).read_text() == MADE[path], "run python -m tools.make_results"


def test_what_was_timed_side_by_side_is_shown_with_machine_and_load():
    side = {"wall": 1.5, "cpu": 1.25}
    row = {"part": "encode", "what": "float32", "ours": side, "beside": "the matrix rate", "theirs": side,
           "rounds": 3, "ratio": 1.0, "load": 0.26}  # fmt: skip
    about = {"processor": "Zen 4", "cores": 2, "threads": 1, "torch": "2.9", "load at start": 0.1}
    found = {"date": "2026-11-26", "machine": about, "options": {"rounds": 3}, "rows": [row, row]}
    page = "\n".join(timed_lines(found))
    assert "python -m tools.bench encode\n" in page and "Zen 4, 1 of 2 cores" in page and "medians of 3 rounds" in page
    assert "| encode | float32 | 1.5 (1.25) | the matrix rate | 1.5 (1.25) | 1 | 0.3 |" in page


def test_a_page_without_a_place_for_results_is_refused():
    assert with_parts("a\n<!-- results: x -->\nold\n<!-- end -->\nb", {"x": ["new"]}).splitlines()[2] == "new"
    with pytest.raises(ValueError, match="no place for the results called y"):
        with_parts("a", {"y": ["new"]})


def test_links_of_the_site_lead_to_where_its_files_are():
    assert all((ROOT / source).is_file() for source in PLACES)
    assert site_links("[a](../CHANGELOG.md) [b](cli.md#train)", "index.md") == "[a](changelog.md) [b](cli.md#train)"
    assert (
        site_links("![a](../../assets/findings/frontier.png)", "results/frontier.md")
        == "![a](../pictures/frontier.png)"
    )
    assert site_links("[a](../../docs/training.md#x)", "model-card.md") == "[a](training.md#x)"
    assert site_links("[a](https://example.org/docs/x.md)", "index.md") == "[a](https://example.org/docs/x.md)"
