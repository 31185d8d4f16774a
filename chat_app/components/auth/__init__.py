"""Components for signing in, and for what a signed-in user can change about the account."""
