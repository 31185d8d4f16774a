"""Measurements of the program as it runs. `make bench` takes them all and prints one table.

Each module in `__main__.PARTS` takes the measurements of one part; the others are what these
need: a model server, a bare proxy to compare with, a reader of sockets, and the table.
"""
