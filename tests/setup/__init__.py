"""How the program is installed, configured, started and stopped."""
