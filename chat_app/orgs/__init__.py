"""Organisations: who belongs to one and as what, and invitations to it."""
