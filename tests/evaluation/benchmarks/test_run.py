import base64
import io
import json
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from tests.support import tiny_wordnet
from tests.support.tiny import engine
from uhrbat.cli import main
from uhrbat.errors import InputError
from uhrbat.evaluation.benchmarks import run as runner
from uhrbat.evaluation.benchmarks import scoring
from uhrbat.evaluation.benchmarks.readers import BENCHMARKS, read_items
from uhrbat.evaluation.benchmarks.records import open_image_file, read_records
from uhrbat.evaluation.benchmarks.scoring import choice_is_right, option_letters, word_is_right
from uhrbat.settings import Settings

OPTIONS = ("(A) A harbour", "(B) An airport", "(C) A farm", "(D) A school")


def png(seed=0, size=(60, 40)):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_parquet(path, columns, row_group_size=2):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path, row_group_size=row_group_size)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for name, seed in (("a.png", 1), ("b.png", 2)):
        (tmp_path / "images" / name).write_bytes(png(seed))
    return tmp_path


@pytest.mark.parametrize(
    ("answer", "letters"),
    [
        ("B", "B"), ("b", "B"), ("B.", "B"), ("(C) A farm", "C"), ("The best answer is: D", "D"),
        ("The answer is (A).", "A"), ("A C", "AC"), ("A, C and D", "ACD"), ("ac", "AC"), ("A farm.", "A"),
        ("an airport", "B"), ("nothing of these", ""), ("", ""), ("Answer: B", "B"),
    ],
)  # fmt: skip
def test_option_letters(answer, letters):
    assert option_letters(answer, OPTIONS) == letters


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("B", "B", True), ("B. An airport", "B", True), ("(B) because it is not (A)", "B", True), ("A", "B", False),
        ("A C", "AC", True), ("C A", "AC", True), ("A", "AC", False), ("A B C", "AC", False), ("", "B", False),
    ],
)  # fmt: skip
def test_a_choice_is_right_when_it_names_the_true_letters(answer, truth, right):
    assert choice_is_right(answer, truth, OPTIONS) is right


class FakeWordNet:
    """Two words of one meaning and one nearby."""

    meanings: ClassVar = {"ship": "vessel.n", "vessel": "vessel.n", "boat": "boat.n"}

    def synsets(self, word):
        kind = self.meanings.get(word)
        return [] if kind is None else [self.Meaning(kind)]

    class Meaning(str):
        def path_similarity(self, other):
            return 1.0 if self == other else 0.5


def test_words_match_exactly_or_as_synonyms(monkeypatch):
    monkeypatch.setattr(scoring, "wordnet", FakeWordNet)
    scoring._synonyms.cache_clear()
    assert word_is_right(" Ship ", "ship") and word_is_right("vessel", "ship")
    assert not word_is_right("boat", "ship") and not word_is_right("plane", "ship")
    scoring._synonyms.cache_clear()


@pytest.fixture
def wordnet(tmp_path, monkeypatch):
    """nltk's WordNet where its data is installed (python -m nltk.downloader wordnet), else a tiny one in its format."""
    nltk = pytest.importorskip("nltk")
    if scoring.wordnet() is None:
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        tiny_wordnet.write(tmp_path / "corpora" / "wordnet")
        monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
        reader = WordNetCorpusReader(nltk.data.find("corpora/wordnet"), None)
        monkeypatch.setattr(scoring, "wordnet", lambda: reader)
    scoring._synonyms.cache_clear()
    yield
    scoring._synonyms.cache_clear()


@pytest.mark.filterwarnings("ignore:The multilingual functions are not available")
def test_synonyms_are_those_of_wordnet(wordnet):
    assert word_is_right("automobile", "car") and word_is_right("grey", "Gray") and word_is_right("two", "2")
    assert not word_is_right("boat", "ship")


LRS_VQA = [
    {"question_id": "FAIR_1", "image": "LRS_VQA/image/15565.tif", "category": "reasoning", "text": "Is the bottom-most "
     "and largest bridge crossing a river?\n Answer the question using a single word or phrase.", "ground_truth": "yes",
     "hbox": [282, 3418, 763, 4050], "rbox": [282.0, 4013.0, 334.0, 4050.0, 763.0, 3456.0, 713.0, 3418.0],
     "abs_size": "large", "image_size": [4000, 4000], "size_bin": "256x256"},
    {"question_id": "DOTA_7", "image": "LRS_VQA/image/P0007.png", "category": "count", "text": "How many?",
     "ground_truth": "3", "image_size": [600, 500]},
]  # fmt: skip


def test_lrs_vqa_is_read_with_its_boxes(tmp_path):
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(record) + "\n" for record in LRS_VQA))
    items = read_items(BENCHMARKS["lrs-vqa"], tmp_path / "questions.jsonl", tmp_path)
    assert [item.id for item in items] == ["FAIR_1", "DOTA_7"]
    first, second = items
    assert first.boxes == ((282.0, 3418.0, 763.0, 4050.0),) and second.boxes == ()
    assert first.prompt.endswith("\n Answer the question using a single word or phrase.")
    assert (first.truth, first.category, first.group) == ("yes", "reasoning", "FAIR")
    assert first.images == (tmp_path / "LRS_VQA/image/15565.tif",)


def test_xlrs_bench_is_read_from_parquet(folder):
    columns = {
        "index": ["1", "2", "3"],
        "question": ["What is it? "] * 3,
        "multi-choice options": [list(OPTIONS)] * 3,
        "answer": ["B", "AC", "A"],
        "category": [
            "Object properties/Object color",
            "Land use classification/Overall Land use classification",
            "Complex reasoning/Route planning",
        ],
        "l2-category": ["color", "land", "route"],
        "image": [[{"bytes": png(i), "path": f"{i}.png"}] * count for i, count in ((0, 1), (1, 1), (2, 2))],
    }
    write_parquet(folder / "xlrs.parquet", columns)
    items = read_items(BENCHMARKS["xlrs-bench"], folder, folder)
    assert [len(item.images) for item in items] == [1, 1, 2]
    assert items[0].prompt.startswith("What is it? The choices are listed below:\n(A) A harbour\n(B)")
    assert items[0].prompt.endswith("(A, B, C, D).\nThe answer is:")
    assert "There may be more than one correct option" in items[1].prompt
    assert [item.group for item in items] == ["Object properties", "Land use classification", "Reasoning"]
    for index in (1, 0, 2):
        with open_image_file(items[index].images[-1]) as path:
            assert path.read_bytes() == png(index)


def test_mme_realworld_keeps_its_remote_sensing_part(folder):
    record = {
        "Question_id": "perception/remote/1", "Image": "a.png", "Text": "What is it?",
        "Question Type": "Multiple Choice",
        "Answer choices": list(OPTIONS), "Ground truth": "B", "Category": "Color", "Subtask": "Remote Sensing",
        "Task": "Perception",
    }  # fmt: skip
    other = record | {"Question_id": "x", "Subtask": "Monitoring"}
    (folder / "mme.json").write_text(json.dumps([record, other]))
    (item,) = read_items(BENCHMARKS["mme-realworld-rs"], folder / "mme.json", folder / "images")
    assert (item.group, item.category, item.truth) == ("Perception", "color", "B")
    assert item.prompt.startswith("What is it? The choices are listed below:\n(A)")
    assert item.prompt.endswith("of the correct option.\nThe best answer is:")


def test_mme_realworld_is_read_from_parquet_with_base64_images(folder):
    columns = {
        "index": ["9"], "question": ["Where?"], "multi-choice options": [list(OPTIONS)], "answer": ["C"],
        "category": ["Reasoning/Remote Sensing"], "l2-category": ["position"],
        "bytes": [base64.b64encode(png(5)).decode()],
    }  # fmt: skip
    write_parquet(folder / "mme.parquet", columns)
    (item,) = read_items(BENCHMARKS["mme-realworld-rs"], folder / "mme.parquet", folder)
    assert (item.group, item.category) == ("Reasoning", "position")
    with open_image_file(item.images[0]) as path:
        assert path.read_bytes() == png(5)


def test_rshr_bench_with_options_listed_named_or_absent(folder):
    common = {"images": ["images/a.png"], "question": "What is it?"}
    records = [
        common | {"id": 1, "options": {"a": "A harbour", "b": "A farm"}, "answer": "A", "task": "perception/color"},
        common | {"id": 2, "options": ["A harbour", "B. A farm"], "answer": ["A", "B"], "category": "Reasoning"},
        common | {"id": 3, "answer": "harbour"},
        {"id": 4, "image": "images/a.png", "conversations": [
            {"from": "human", "value": "<image>\nWhich?\nA. x\nB. y"}, {"from": "gpt", "value": "B"}]},
    ]  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps({"data": records}))
    one, two, three, four = read_items(BENCHMARKS["rshr-bench"], folder / "dataset.json", folder)
    assert one.prompt == (
        "What is it?\nA. A harbour\nB. A farm\n"
        "Select the best answer based on the image. Answer with the option letter only."
    )
    assert (one.group, two.group, three.group) == ("Perception", "Reasoning", "other")
    assert "You should choose multiple answers." in two.prompt and two.truth == "AB"
    assert "\nB. A farm\n" in two.prompt
    assert three.prompt == "What is it?" and BENCHMARKS["rshr-bench"].right("Harbour", three)
    assert four.prompt == "Which?\nA. x\nB. y" and BENCHMARKS["rshr-bench"].right("B. y", four)


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("q.json", "{", "is not JSON"), ("q.json", '"x"', "no list of records"), ("q.json", "[]", "holds no question"),
        ("q.jsonl", '{"question_id": 1}', "record 0 of 'q.jsonl' is not one of LRS-VQA"), ("q.txt", "x", "is not JSON"),
        ("q.parquet", "x", "parquet"),
    ],
)  # fmt: skip
def test_files_that_are_none_of_a_benchmark(tmp_path, name, text, word):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=word):
        read_items(BENCHMARKS["lrs-vqa"], tmp_path / name, tmp_path)


def test_missing_files(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_records(tmp_path / "none.json")
    with pytest.raises(InputError, match="holds no parquet"):
        read_records(tmp_path)


@pytest.fixture
def lrs(folder):
    rows = [
        {
            "question_id": f"FAIR_{i}", "image": name, "category": category, "text": f"Question {i}?",
            "ground_truth": "yes", "hbox": [10, 10, 20, 20] if i < 3 else None,
        }
        for i, (name, category) in enumerate(
            [("a.png", "count"), ("b.png", "count"), ("a.png", "shape"), ("none.png", "shape")]
        )
    ]  # fmt: skip
    path = folder / "lrs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return read_items(BENCHMARKS["lrs-vqa"], path, folder / "images")


def run(items, out, **how):
    return runner.run_benchmark("lrs-vqa", engine(), items, out, budget=60, progress=False, **how)


def test_a_run_is_reported_by_category_and_group_with_evidence(lrs, tmp_path):
    report = run(lrs, tmp_path / "out")
    assert (report["questions"], report["answered"], report["skipped"], report["missing"]) == (4, 3, 1, 0)
    assert set(report["by_category"]) == {"count", "shape"} and set(report["by_group"]) == {"FAIR"}
    assert report["evidence_preserved"] is not None and report["tokens"] == 60
    assert json.loads((tmp_path / "out/report.json").read_text()) == report
    text = runner.table(report)
    assert "3 of 4 questions answered, 1 skipped" in text and "evidence preserved" in text


def test_a_model_of_another_family_is_run_in_its_own_words_and_geometry(lrs, tmp_path, small_family):
    report = runner.run_benchmark("lrs-vqa", small_family, lrs, tmp_path / "out", budget=20, progress=False)
    assert (report["answered"], report["skipped"], report["tokens"]) == (3, 1, 20)
    kept = json.loads((tmp_path / "out" / "answers-00000-of-00001.jsonl").read_text().splitlines()[0])
    asked = small_family.encode(lrs[0].images[0], progress=False).ask(lrs[0].prompt, lines=True).select(20)
    assert kept["answer"] == str(asked.answer(max_new_tokens=BENCHMARKS["lrs-vqa"].max_new_tokens))


def test_the_papers_budgets_are_their_total_where_a_scale_has_fewer_tokens(family, monkeypatch):
    benchmark = BENCHMARKS["lrs-vqa"]
    assert benchmark.budgets[0] > 64 and runner._own_budget(benchmark, family) == sum(benchmark.budgets)
    monkeypatch.setattr(family.network.config, "scales", (1024, 1536, 2560, 4096))
    assert runner._own_budget(benchmark, family) == benchmark.budgets


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on(lrs, tmp_path, monkeypatch):
    whole = run(lrs, tmp_path / "whole")
    run(lrs[:2], tmp_path / "out")
    file = next((tmp_path / "out").glob("answers-*.jsonl"))
    kept = file.read_text()
    file.write_text(kept + '{"id": "FAIR_2", "ans')
    file.write_text(kept.rstrip("\n") + "\n")
    again = run(lrs, tmp_path / "out")
    assert len(file.read_text().splitlines()) == 4
    unequal = ("seconds",)
    assert {k: v for k, v in again.items() if k not in unequal} == {k: v for k, v in whole.items() if k not in unequal}
    monkeypatch.setattr(runner._Scenes, "scene", lambda *_: pytest.fail("asked again"))
    run(lrs, tmp_path / "out")


def test_processes_share_the_images_and_the_last_reports_on_all(lrs, tmp_path):
    first = run(lrs, tmp_path / "out", share=(0, 2))
    assert first["missing"] == 1
    second = run(lrs, tmp_path / "out", share=(1, 2))
    assert second["missing"] == 0 and second["answered"] == 3


def test_a_folder_of_another_run_is_refused(lrs, tmp_path):
    run(lrs[:1], tmp_path / "out")
    with pytest.raises(InputError, match="another model, budget or settings"):
        run(lrs[:1], tmp_path / "out", settings=Settings(order="mean"))


def test_published_figures_are_marked(folder):
    report = runner.make_report("rshr-bench", [], {})
    report["by_group"] = {"Perception": 20.0}
    assert "20.00   published (paper): 29.2" in runner.table(report)


def test_the_command_line_checks_before_it_loads_a_model(folder, monkeypatch, capsys):
    given = ["evaluate", "benchmark", "lrs-vqa", "--questions", str(folder / "q.jsonl"), "--out", str(folder / "out")]
    monkeypatch.setattr(runner.UHRBAT, "from_pretrained", lambda *_, **__: engine())
    images = ["--images", str(folder / "images")]
    row = {"question_id": "STAR_1", "image": "a.png", "category": "c", "text": "Q?", "ground_truth": "no"}
    assert main(given) == 2
    assert "there is no file" in capsys.readouterr().err
    (folder / "q.jsonl").write_text(json.dumps(row))
    for more, message in ((["--budget", "many"], "--budget"), (images, "give --budget")):
        assert main([*given, *more]) == 2
        assert message in capsys.readouterr().err
    assert main([*given, *images, "--budget", "40", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answered"] == 1
