import torch

from uhrbat.training.nano.refit import refit


def test_a_layer_reads_turned_features_as_it_read_the_old_ones():
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(500, 12, generator=generator)
    turn = torch.linalg.qr(torch.randn(12, 12, generator=generator)).Q
    layer = torch.nn.Linear(12, 5)
    wanted = layer(before).detach()
    assert refit(layer, before, before @ turn + 3) > 0.99
    off = layer(before @ turn + 3).detach() - wanted
    assert float(off.square().mean() / wanted.var()) < 0.01


def test_features_that_say_less_keep_less():
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(500, 12, generator=generator)
    blurred = before * (torch.arange(12) < 6)
    assert refit(torch.nn.Linear(12, 5), before, blurred) < 0.9
