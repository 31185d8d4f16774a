"""Email: the templates, and the mailer that delivers them over SMTP."""
