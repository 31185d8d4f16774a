"""Strict fake providers: they refuse what the real ones refuse, in their words, and answer else.

Written from what the providers publish and from refusals that people have reported, never from the
requests that this program makes. Each rule names its source.
"""
