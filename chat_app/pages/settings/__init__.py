"""The settings pages: what a user can see and change about their account."""
