"""Checkpoints: a name to a network and back; layouts, weights, the Hub, quantisation and the model card."""
