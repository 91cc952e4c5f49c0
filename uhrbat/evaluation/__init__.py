"""Measuring a model: generated scenes, public benchmarks."""
