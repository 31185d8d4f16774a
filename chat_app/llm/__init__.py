"""Models: providers, the embedded model and fake models behind one protocol."""
