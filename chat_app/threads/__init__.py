"""What a person owns: threads and the tree of their messages."""
