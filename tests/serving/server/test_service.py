import hashlib
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from tests.support import fake_engine, hostile
from tests.support.made_images import write_tiff
from tests.support.running import until
from uhrbat.choices import DROPPED, MERGED, METHODS, PADDING, PRESERVED
from uhrbat.errors import BusyError, Cancelled, CheckpointError, ImageError, InputError, WorkerError
from uhrbat.imagery import Rendering, apart
from uhrbat.results import MethodResult, Progress, SweepPoint
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.limits import Limits
from uhrbat.serving.protocol import Settings, query
from uhrbat.serving.server.models import Offer, load_engine
from uhrbat.serving.server.service import Service, without_paths

TIMEOUT = 120
BIG = Settings(model="big")


@pytest.fixture
def image(local, picture):
    return local.store(picture)


def test_an_image_is_stored_once(local, image, picture):
    assert local.store(picture) == image


def test_encodes_once_for_every_question(local, image):
    first = local.encode(image).result(TIMEOUT)
    assert first.tokens == {672: 1536, 1344: 6144}
    assert first.run.reused == ()
    asked = local.ask(query(image, "how many?"), budget=400).result(TIMEOUT)
    assert asked.run.reused == ("encode",)
    assert 'uhrbat_scene_lookups_total{outcome="hit"} 1.0' in local.metrics()


def test_what_each_word_looked_at_comes_where_it_is_asked_for(local, image):
    assert local.answer(query(image, "how many?"), 400).result(TIMEOUT).attention is None
    result = local.answer(query(image, "how many?"), (100, 300), attention=True).result(TIMEOUT)
    assert result.attention.words == (result.answer.text,)
    assert {size: part.shape for size, part in result.attention.weights.items()} == {672: (1, 100), 1344: (1, 300)}


@pytest.fixture
def slow_image(tmp_path):
    """An image that the fake engine takes long to encode."""
    path = tmp_path / "slow.png"
    Image.effect_noise((77, 40), 60).save(path)
    return path


@pytest.fixture(params=[1, 3], ids=["one device", "several lanes"])
def worker(request, limits):
    """Workers with one lane and with several, as on ZeroGPU."""
    with InProcessWorker(Service(limits, Offer(), fake_engine.load, lanes=request.param)) as worker:
        yield worker


def encodings(worker) -> int:
    return worker.service.models.get("nano").encoded


@pytest.mark.slow
def test_what_is_being_encoded_is_not_encoded_by_the_question_too(worker, slow_image):
    image = worker.store(slow_image)
    early = worker.encode(image, session="a")
    until(lambda: early.latest.stage == "encode", TIMEOUT)
    asks = [worker.ask(query(image, "how many?"), budget=100, session=session) for session in "abc"]
    assert [job.result(TIMEOUT).run.reused[:1] for job in asks] == [("encode",)] * 3
    assert early.result(TIMEOUT).run.reused == ()
    assert encodings(worker) == 1


@pytest.mark.slow
def test_what_a_question_is_encoding_is_not_encoded_ahead_too(worker, slow_image):
    image = worker.store(slow_image)
    ask = worker.ask(query(image, "how many?"), session="a")
    until(lambda: ask.latest.stage == "encode", TIMEOUT)
    assert worker.encode(image, session="b").result(TIMEOUT).run.reused == ("encode",)
    assert ask.result(TIMEOUT)
    assert encodings(worker) == 1


@pytest.mark.slow
def test_a_question_encodes_itself_where_the_encoding_ahead_is_cancelled(worker, slow_image):
    image = worker.store(slow_image)
    early = worker.encode(image, session="a")
    until(lambda: early.latest.stage == "encode", TIMEOUT)
    ask = worker.ask(query(image, "how many?"), session="b")
    early.cancel()
    assert ask.result(TIMEOUT).run.reused == ()
    with pytest.raises(Cancelled):
        early.result()
    assert encodings(worker) == 1


def test_a_question_about_another_image_does_not_wait_for_the_end_of_an_encoding(worker, slow_image, picture):
    known, image = worker.store(picture), worker.store(slow_image)
    worker.encode(known).result(TIMEOUT)
    early = worker.encode(image, session="a")
    until(lambda: early.latest.stage == "encode", TIMEOUT)
    worker.ask(query(known, "how many?"), budget=100, session="b").result(TIMEOUT)
    assert not early.done
    early.cancel()


@pytest.mark.slow
def test_one_image_is_encoded_at_a_time(worker, slow_image, picture):
    early = worker.encode(worker.store(slow_image), session="a")
    until(lambda: early.latest.stage == "encode", TIMEOUT)
    assert worker.ask(query(worker.store(picture), "how many?"), session="b").result(TIMEOUT)
    assert early.done
    assert encodings(worker) == 2


def test_other_settings_of_the_question_use_the_same_encoding_and_other_bands_do_not(local, tmp_path):
    path = tmp_path / "colour.png"
    Image.effect_noise((72, 48), 60).convert("RGB").save(path)
    image = local.store(path)
    local.encode(image).result(TIMEOUT)
    local.ask(query(image, "how many?", {"seed": 3, "importance": "attention"})).result(TIMEOUT)
    assert encodings(local) == 1
    chosen = {"bands": [2, 1, 3], "gamma": 2}
    asked = local.ask(query(image, "how many?", {"picture": chosen})).result(TIMEOUT)
    assert encodings(local) == 2 and Rendering.from_dict(asked.run.picture) == Rendering.from_dict(chosen)
    with pytest.raises(InputError, match="picture|gamma"):
        query(image, "how many?", {"picture": {"gamma": 99}})
    with pytest.raises(InputError, match="bands 1 to 3"):
        local.ask(query(image, "how many?", {"picture": {"bands": [1, 2, 9]}})).result(TIMEOUT)


def test_a_mask_is_part_of_the_picture(local, image, picture, tmp_path):
    mask = write_tiff(tmp_path / "m.msk", np.full((48, 72), 255, np.uint8))
    local.encode(image).result(TIMEOUT)
    masked = {"mask": local.store(mask)}
    assert local.encode(image, masked).result(TIMEOUT).run.reused == ()
    assert encodings(local) == 2
    assert local.ask(query(image, "how many?", masked), budget=9).result(TIMEOUT).run.reused[:1] == ("encode",)
    with pytest.raises(ImageError, match="no longer stored"):
        local.encode(image, {"mask": "0" * 64}).result(TIMEOUT)
    wrong = write_tiff(tmp_path / "wrong.msk", np.full((9, 9), 255, np.uint8))
    with pytest.raises(ImageError, match="another size"):
        local.encode(image, {"mask": local.store(wrong)}).result(TIMEOUT)


def test_a_file_is_hashed_by_who_knows_it_and_its_header_read_once(local, picture, monkeypatch):
    known = hashlib.sha256(picture.read_bytes()).hexdigest()
    opened, really = [], apart.open_image

    def never(*_):
        raise AssertionError("hashed again")

    monkeypatch.setattr("uhrbat.serving.client.local.sha256_file", never)
    monkeypatch.setattr(apart, "open_image", lambda *given, **more: opened.append(given) or really(*given, **more))
    assert local.store(picture, known) == known
    assert local.service.store.path(known).stat().st_ino == picture.stat().st_ino
    local.encode(known).result(TIMEOUT)
    local.ask(query(known, "how many?"), budget=100).result(TIMEOUT)
    assert len(opened) == 1


def test_asking_gives_all_a_page_draws(local, image):
    asked = local.ask(query(image, "how many?", {"seed": 3}), budget=400).result(TIMEOUT)
    assert [(scale.size, len(scale.rank)) for scale in asked.scales] == [(672, 2304), (1344, 9216)]
    fine, row = asked.scales[1], asked.ledger[1]
    types_ = [str(a.dtype) for a in (fine.importance, fine.rank, fine.merged, fine.region, fine.members)]
    assert types_ == ["float16", "int32", "bool", "int32", "int32"]
    kind = fine.kind(asked.budgets[1])
    assert [(kind == k).sum() for k in (PRESERVED, MERGED, DROPPED, PADDING)] == [
        row.preserved,
        row.merged,
        row.dropped,
        row.padding,
    ]
    assert row.preserved + row.merged + row.dropped == row.tokens == 9216 - row.padding and row.padding
    assert sum(asked.budgets) == asked.answer.tokens == 400
    assert asked.run.seed == 3
    assert asked.run.memory["host"] > 0
    assert asked.caveat


def test_without_a_budget_nothing_is_answered(local, image):
    asked = local.ask(query(image, "how many?")).result(TIMEOUT)
    assert (asked.answer, asked.budgets, asked.ledger) == (None, None, ())


def test_answers_with_boxes_forced_in_or_left_out(local, image):
    plain = local.answer(query(image, "how many?"), budget=400).result(TIMEOUT)
    forced = local.answer(query(image, "how many?"), budget=400, force=((1, 1, 5, 5),)).result(TIMEOUT)
    assert plain.answer.text != forced.answer.text
    assert [row.size for row in forced.ledger] == [672, 1344]


def test_a_sweep_streams_its_points(local, image):
    job = local.sweep(query(image, "how many?"), budgets=(100, (10, 300), 1000), truth="3", boxes=((0, 0, 72, 48),))
    events = list(job)
    swept = job.result()
    assert [event for event in events if isinstance(event, SweepPoint)] == list(swept.points)
    assert [sum(point.budgets) for point in swept.points] == [100, 310, 1000]
    whole = swept.points[0].evidence[-1]
    assert whole.size == 0
    assert whole.preserved + whole.merged + whole.dropped == whole.tokens
    assert 0 <= swept.points[0].evidence_preserved <= 1
    assert swept.points[0].correct == (swept.points[0].answer.text == "3")


def test_a_comparison_names_every_method(local, image):
    job = local.compare(query(image, "how many?"), budget=400)
    streamed = [event.method for event in job if isinstance(event, MethodResult)]
    assert streamed == list(METHODS)
    assert [result.method for result in job.result().methods] == streamed
    assert {(result.evidence, result.evidence_preserved) for result in job.result().methods} == {((), None)}
    with pytest.raises(InputError, match="method 'best' is not known"):
        local.compare(query(image, "how many?"), budget=400, methods=("best",)).result(TIMEOUT)


def test_inspects_a_box(local, image):
    fate = local.inspect(query(image, "how many?"), box=(1, 2, 3, 4), budget=400).result(TIMEOUT).fate
    assert (fate.verdict, fate.smallest_budget, fate.rows[0].best_rank) == ("preserved at 672", 40, 3)
    assert fate.steps[0].total == 1


def test_running_out_of_memory_ends_the_job_and_not_the_worker(local, image):
    with pytest.raises(WorkerError, match="out of memory"):
        local.ask(query(image, "oom please")).result(TIMEOUT)
    assert local.ask(query(image, "how many?")).result(TIMEOUT).scales


def test_what_goes_wrong_inside_is_reported_without_paths_or_traces(local, image):
    with pytest.raises(WorkerError) as raised:
        local.ask(query(image, "crash please")).result(TIMEOUT)
    assert "secret" not in str(raised.value)
    assert "the model worker failed" in str(raised.value)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/tmp/store/abc.tif cannot be read", "abc.tif cannot be read"),
        ("model at /models/big-7b is incomplete", "model at big-7b is incomplete"),
        (f"'{'a' * 64}' is cut short", "the image is cut short"),
        ("failed:/tmp/store/abc.tif, file:///tmp/abc.tif", "failed:abc.tif, file://abc.tif"),
        ("join (https://huggingface.co/join)", "join (https://huggingface.co/join)"),
        ("give 1/2 or and/or, 3 / 4, at 10 m/s", "give 1/2 or and/or, 3 / 4, at 10 m/s"),
    ],
)
def test_paths_are_cut_from_messages(message, shown):
    assert without_paths(message) == shown


def test_wrong_requests_are_refused_at_once(local, image):
    for wrong in (
        lambda: local.ask(query(image, "  ")),
        lambda: local.ask(query("../etc", "how many?")),
        lambda: local.ask(query(image, "how many?"), budget=0),
        lambda: local.ask(query(image, "how many?", {"sharpness": 3})),
    ):
        with pytest.raises(InputError):
            wrong()


def test_wrong_values_are_reported_by_the_job(local, image):
    for wrong, why in (
        (local.ask(query(image, "x" * 2001)), "2,001 characters"),
        (local.ask(query(image, "how many?", {"model": "other"})), "not offered here; choose one of nano"),
        (local.ask(query(image, "how many?", {"importance": "guess"})), "importance is 'guess'"),
        (local.ask(query(image, "how many?"), budget=10**6), "10|whole number"),
        (local.answer(query(image, "how many?"), force=((0, 0, 1, 1),) * 65), "65 are too many"),
    ):
        with pytest.raises(InputError, match=why):
            wrong.result(TIMEOUT)


def test_an_image_that_is_not_stored_is_reported(local):
    with pytest.raises(ImageError, match="no longer stored"):
        local.ask(query("0" * 64, "how many?")).result(TIMEOUT)


def test_what_is_no_image_is_found_out_when_it_is_encoded(local, tmp_path):
    path = tmp_path / "fake.jpg"
    path.write_text("hello")
    with pytest.raises(ImageError):
        local.encode(local.store(path)).result(TIMEOUT)


@pytest.mark.parametrize("name", hostile.MADE)
def test_a_hostile_file_is_one_sentence_and_is_not_kept(local, image, tmp_path, name):
    make, words = hostile.MADE[name]
    make(tmp_path / name)
    stored = local.store(tmp_path / name)
    with pytest.raises(ImageError, match=words):
        local.encode(stored).result(TIMEOUT)
    if name != "lying.tif":  # which only its pixels give away
        with pytest.raises(ImageError, match=words):
            local.service.accept(stored)
        assert local.service.store.path(stored) is None
    assert local.ask(query(image, "how many?"), budget=100).result(TIMEOUT)


def test_a_decoder_that_crashes_costs_its_own_job_only(local, image, monkeypatch):
    with monkeypatch.context() as patch:
        hostile.struck(patch, signal.SIGSEGV)
        with pytest.raises(ImageError, match="its decoder ended"):
            local.encode(image).result(TIMEOUT)
    assert local.encode(image).result(TIMEOUT).tokens


def test_cancel_ends_a_decoder_that_hangs_within_a_second_and_others_have_not_waited(
    local, image, tmp_path, monkeypatch
):
    path = tmp_path / "other.png"
    Image.effect_noise((60, 40), 50).save(path)
    local.encode(image).result(TIMEOUT)
    struck = hostile.struck(monkeypatch, signal.SIGSTOP)
    early = local.encode(local.store(path), session="a")
    until(lambda: struck, TIMEOUT)
    assert local.ask(query(image, "how many?"), budget=100, session="b").result(TIMEOUT)
    cancelled = time.monotonic()
    early.cancel()
    until(lambda: hostile.gone(struck[0]), TIMEOUT)
    assert time.monotonic() - cancelled < 1
    with pytest.raises(Cancelled):
        early.result(TIMEOUT)


def test_cancel_frees_the_device(local, image):
    job = local.ask(query(image, "slow ask"))
    for event in job:
        if isinstance(event, Progress) and event.stage == "score":
            break
    with pytest.raises(Cancelled):
        job.result()
    assert local.ask(query(image, "how many?")).result(2).scales


def test_is_ready_once_the_first_model_is_loaded(local):
    local.service._first.result(TIMEOUT)
    health = local.health()
    assert (health.status, health.device, health.dtype) == ("ready", "cpu", "float32")
    assert local.models()[0].default_settings.importance == "similarity"
    info = local.models()[0]
    assert (info.parameters, info.scales, info.tile, info.tile_grid, info.point_bins) == (
        1000,
        (672, 1344),
        336,
        24,
        64,
    )


def test_says_why_a_model_cannot_be_loaded(limits, picture):
    def load(*_):
        raise CheckpointError("the checkpoint in /models/secret/nano is incomplete: download it again")

    with InProcessWorker(Service(limits, Offer(), load)) as worker:
        with pytest.raises(CheckpointError, match="in nano is incomplete"):
            worker.ask(query(worker.store(picture), "how many?")).result(TIMEOUT)
        until(lambda: worker.health().status == "failed", TIMEOUT)
        assert "/models" not in worker.health().message


def test_says_that_a_model_is_of_no_known_family(limits, picture, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "florence2"}')
    offer = Offer({"nano": "nano", "mine": str(tmp_path)})
    loads = {"nano": fake_engine.load}
    with InProcessWorker(Service(limits, offer, lambda *how: loads.get(how[0], load_engine)(*how))) as worker:
        asked = query(worker.store(picture), "how many?", Settings(model="mine"))
        with pytest.raises(CheckpointError, match=r"another architecture \(florence2\); this reads uhrbat, .*qwen3_vl"):
            worker.ask(asked).result(TIMEOUT)


@pytest.fixture
def slow_to_load(limits):
    """A worker that offers nano, and "big" whose download goes on until it may `arrive`."""
    arrive, stopped = threading.Event(), threading.Event()

    def load(source, device, progress, cancel):
        if source != "nano":
            progress("load", 0.3, f"{source}: 4.57 of 15.23 GB")
            while not arrive.wait(0.01):
                if cancel.is_set():
                    stopped.set()
                    raise Cancelled("stopped, as asked")
        return fake_engine.Engine(source)

    offer = Offer({"nano": "nano", "big": "/models/secret/big"})
    with InProcessWorker(Service(limits, offer, load)) as worker:
        yield worker, arrive, stopped


def test_reports_how_far_a_download_is_by_the_name_of_the_model(slow_to_load, picture):
    worker, *_ = slow_to_load
    image = worker.store(picture)
    job = worker.ask(query(image, "how many?", BIG), session="a")
    event = next(event for event in job if event.stage == "load" and event.fraction)
    assert (event.fraction, event.message) == (0.3, "big: 4.57 of 15.23 GB")


@pytest.mark.slow
def test_a_download_leaves_the_device_to_others_and_ends_when_nobody_waits_for_it(slow_to_load, picture):
    worker, arrive, stopped = slow_to_load
    image = worker.store(picture)
    jobs = [worker.ask(query(image, "how many?", BIG), session=session) for session in "ab"]
    while any(job.latest.stage != "load" for job in jobs):
        time.sleep(0.01)
    assert worker.ask(query(image, "how many?"), session="c").result(TIMEOUT).run.model == "nano"
    jobs[0].cancel()
    assert not stopped.wait(0.5)
    jobs[1].cancel()
    assert stopped.wait(TIMEOUT)
    again = worker.ask(query(image, "how many?", BIG))
    arrive.set()
    assert again.result(TIMEOUT).run.model == "big"


def test_a_full_queue_is_busy(tmp_path, picture):
    limits = Limits(store_folder=str(tmp_path), queue_jobs=1)
    with InProcessWorker(Service(limits, Offer(), fake_engine.load)) as worker:
        image = worker.store(picture)
        running = worker.ask(query(image, "slow ask"), session="a")
        for event in running:
            if event.stage == "score":
                waiting = worker.ask(query(image, "how many?"), session="b")
                with pytest.raises(BusyError):
                    worker.ask(query(image, "how many?"), session="c").result(TIMEOUT)
                break
        assert waiting.result(TIMEOUT)


def test_metrics_hold_counts_and_nothing_of_questions(local, image):
    local.ask(query(image, "where is the treasure?"), session="pirate").result(TIMEOUT)
    text = local.metrics()
    assert 'uhrbat_jobs_total{action="ask",outcome="done"} 1.0' in text
    assert 'uhrbat_stage_seconds_count{stage="encode"} 1.0' in text
    assert "uhrbat_store_bytes" in text
    assert not any(secret in text for secret in ("treasure", "pirate", image, fake_engine.__file__))


def test_an_image_of_too_many_pixels_is_not_encoded(tmp_path, picture):
    strict = Limits(store_folder=str(tmp_path), pixels=1000)
    with InProcessWorker(Service(strict, Offer(), fake_engine.load)) as worker:
        image = worker.store(picture)
        with pytest.raises(ImageError, match="pixels"):
            worker.service.accept(image)
        worker.store(picture)
        with pytest.raises(ImageError, match="pixels"):
            worker.ask(query(image, "how many?")).result(TIMEOUT)


@pytest.fixture
def large(local, tmp_path):
    """An image beyond the fake engine's finest scale: it has one native scale, 2688."""
    path = tmp_path / "large.png"
    Image.new("RGB", (2800, 40), (90, 100, 80)).save(path)
    return local.store(path)


def test_looks_reach_the_image_and_the_result_says_which_tiles_they_were(local, large):
    plain = local.ask(query(large, "how many?"), budget=400).result(TIMEOUT)
    assert [scale.looked for scale in plain.scales] == [None, None] and plain.run.looks == 0
    asked = local.ask(query(large, "how many?", {"looks": 3}), budget=400).result(TIMEOUT)
    assert [scale.looked for scale in asked.scales] == [None, None, (0, 1, 2)]
    assert asked.run.looks == 3 and len(asked.budgets) == 3 and len(asked.scales[-1].rank) == 3 * 576
    assert "look" in asked.run.seconds and "look" not in asked.run.reused
    again = local.ask(query(large, "how many?", {"looks": 3}), budget=300).result(TIMEOUT)
    assert "look" in again.run.reused
    (model,) = local.models()
    assert model.most_looks == 512 and model.tile_seconds > 0 and model.megapixel_seconds is None


def test_looking_at_a_box_is_a_counterfactual(local, large):
    there = local.answer(query(large, "how many?"), 400, look=[(10, 10, 20, 20)]).result(TIMEOUT)
    assert [row.size for row in there.ledger] == [672, 1344, 2688]


@pytest.mark.parametrize("looks", [-1, 1.5, "many", True, None, [3], 10**9])
def test_wrong_looks_are_one_sentence(looks):
    with pytest.raises(InputError, match=r"^looks is .*: give a whole number from 0$"):
        query("0" * 64, "how many?", {"looks": looks})


def test_more_looks_than_a_worker_takes_are_refused(local, image):
    with pytest.raises(InputError, match="513 looks are too many; take at most 512"):
        local.ask(query(image, "how many?", {"looks": 513}), budget=100).result(TIMEOUT)
