"""Runs: create, execute, log, follow and finalize an answer."""
