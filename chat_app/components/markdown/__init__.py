"""Components that render the text of a message while it streams."""
