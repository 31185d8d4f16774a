"""One function per route of the page."""
