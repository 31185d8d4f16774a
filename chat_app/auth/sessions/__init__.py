"""Sign-in sessions: create, resolve, renew, revoke; tokens in the database or as encrypted JWT."""
