"""Every private name of Reflex, Socket.IO, Engine.IO and the built page that we rely on."""
