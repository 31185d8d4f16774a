"""Every private name of Reflex, Socket.IO, Engine.IO and the built page that we rely on.

Each name has a contract test in tests/reflex_ext; docs/reflex.md lists them. Nothing else in the
program imports more of Reflex than `import reflex as rx`.
"""
