"""API keys: a user's credentials for programs; create, list, resolve, revoke."""
