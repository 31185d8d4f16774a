"""Drills: the program on a bad day, at full count. `make drill` and `make load` run them."""
