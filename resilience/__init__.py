"""Resilience: the program on a bad day, at full count. `make scenario` and `make load` run them."""
