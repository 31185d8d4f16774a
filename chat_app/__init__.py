"""A private, multi-user chat application for language models."""
