"""The HTTP API: one module per resource, over the services."""
