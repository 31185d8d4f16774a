"""Components of a conversation: message list, composer and thread list."""
