"""Signing in somewhere else: GitHub, Google, and whoever speaks OpenID Connect."""
