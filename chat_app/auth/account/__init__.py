"""What a signed-in user changes about their own account."""
