from uhrbat.evaluation.markdown import in_points, percent


def test_a_half_is_rounded_up_as_on_the_page():
    assert [percent(share) for share in (0.9525, 0.956, 0.00004, 1)] == ["95.3", "95.6", "0.0", "100.0"]
    assert [in_points(share) for share in (0.0125, -0.0125, 0)] == ["+1.3", "-1.3", "+0.0"]
