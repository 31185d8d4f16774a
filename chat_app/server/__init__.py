"""How the program is started: its port, its front end, its server."""
