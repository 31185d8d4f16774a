"""Tables, the engine, and the only sessions that reach them."""
