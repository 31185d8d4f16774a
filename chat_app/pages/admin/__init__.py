"""The pages of the administration, for site admins."""
