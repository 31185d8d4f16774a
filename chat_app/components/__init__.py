"""Props in, components out."""
