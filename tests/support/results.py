"""Comparing what two workers return."""

import dataclasses

import numpy as np


def same(left, right):
    """Deep equality, arrays and their types included."""
    if isinstance(left, np.ndarray):
        return isinstance(right, np.ndarray) and left.dtype == right.dtype and np.array_equal(left, right)
    if dataclasses.is_dataclass(left):
        names = [field.name for field in dataclasses.fields(left)]
        return type(left) is type(right) and all(same(getattr(left, n), getattr(right, n)) for n in names)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right and type(left) is type(right)


def without_costs(result):
    """A result without what differs from run to run: seconds and memory."""
    changed = {}
    for field in dataclasses.fields(result):
        value = getattr(result, field.name)
        if field.name in ("seconds", "memory", "reused"):
            changed[field.name] = type(value)()
        elif dataclasses.is_dataclass(value):
            changed[field.name] = without_costs(value)
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            changed[field.name] = tuple(map(without_costs, value))
    return dataclasses.replace(result, **changed)
