"""Passkeys (WebAuthn, level 3): keys that a person's device holds and gives to no page."""
