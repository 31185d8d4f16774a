"""Faults, attacks and load at full count: `make resilience` and `make load`."""
