import torch

from uhrbat.network.attention import biased, inhibited


def test_tokens_near_a_listed_point_are_hidden_from_half_of_the_heads():
    mask = inhibited(torch.ones(1, 1, 60, dtype=torch.bool), (torch.arange(50) < 10)[None, None], 3, 4)
    assert not mask[0, :2, 0, 3:13].any() and mask[0, 2:].all() and mask[0, :, 0, 13:].all() and mask[0, :, 0, :3].all()


def test_a_bias_raises_the_image_tokens_and_nothing_that_is_hidden():
    mask = torch.ones(1, 2, 1, 9, dtype=torch.bool)
    mask[..., 4] = False
    bias = torch.tensor([1.0, 2.0])[None, :, None, None].expand(1, 2, 1, 5)
    added = biased(mask, bias, 3)
    assert (added[..., 4] == -torch.inf).all()
    assert not added[..., :3].any() and not added[..., 8:].any()
    assert added[0, :, 0, 3].tolist() == [1, 2] and added[0, :, 0, 5:8].tolist() == [[1] * 3, [2] * 3]
