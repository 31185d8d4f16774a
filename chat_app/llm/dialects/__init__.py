"""Dialects: how providers want to be asked, and how they answer. Pure.

Each has a projector, from a branch of stored messages to the body of a request, and a decoder, from
the events of a stream to those of a run.
"""
