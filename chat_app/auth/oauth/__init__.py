"""Sign-in with identity providers: OAuth 2 (GitHub) and OpenID Connect."""
