"""Small engines and settings for training tests; needs requirements-train.txt."""

from tests.support import tiny
from tests.support.layouts import released_network
from uhrbat.engine import UHRBAT
from uhrbat.network.text import TextCodec
from uhrbat.training.finetune.train import TrainSettings


def released(seed=0):
    return UHRBAT("released", released_network(seed), TextCodec(tiny.tokenizer()))


def nano():
    return UHRBAT("nano", tiny.network(), TextCodec(tiny.tokenizer(), tiny.BINS))


def settings(**how):
    return TrainSettings(**{"steps": 8, "batch": 2, "lr": 3e-3, "lr_modules": 3e-3, "budgets": (10, 20)} | how)
