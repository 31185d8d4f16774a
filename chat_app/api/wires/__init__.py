"""Encoders of runs and messages for programs: one for each family of clients."""
