"""The server process: port check, page build, Granian, lifespan, graceful shutdown."""
