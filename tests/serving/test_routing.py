from collections import Counter

from uhrbat.serving.routing import Routes


def test_an_image_goes_to_those_that_hold_it():
    assert Routes(8).workers("a", {"one": set(), "two": {"a"}, "three": {"a", "b"}}) == ["two", "three"]


def test_new_images_are_shared_out_before_anybody_reports_them():
    routes, held = Routes(8), {"one": {"x", "y"}, "two": set()}
    sent = [routes.workers(image, held) for image in "abcdef"]
    assert Counter(worker for workers in sent for worker in workers) == {"one": 2, "two": 4}


def test_an_image_stays_where_it_was_sent():
    routes, held = Routes(8), {"one": set(), "two": set()}
    first = {image: routes.workers(image, held) for image in "abcd"}
    assert {image: routes.workers(image, held) for image in "dcba"} == first


def test_the_images_of_a_worker_that_is_gone_go_to_another():
    routes = Routes(8)
    (gone,) = routes.workers("a", {"one": set(), "two": set()})
    (left,) = {"one", "two"} - {gone}
    assert routes.workers("a", {left: set()}) == [left]


def test_only_the_last_images_are_remembered():
    routes, held = Routes(1), {"one": set(), "two": set()}
    assert [routes.workers(image, held) for image in "abca"] == [["one"], ["two"], ["one"], ["two"]]
