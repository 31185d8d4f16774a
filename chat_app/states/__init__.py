"""One thin Reflex state per concern."""
