"""Measurements: each module has a `main` that prints what it found. `make bench` runs them all."""
