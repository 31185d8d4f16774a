"""A private, multi-user chat application for language models."""

import gc

GC_THRESHOLDS = gc.get_threshold()
"""Python's own thresholds of garbage collection, which the server has again once it has started."""

# What is imported stays: with Python's own, a quarter of a start is spent on collecting garbage.
gc.set_threshold(50_000, *GC_THRESHOLDS[1:])
