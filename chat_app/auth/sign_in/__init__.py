"""Signing in and signing up, by every login method."""
