"""Threads and their message trees: list, read, rename, delete, export."""
