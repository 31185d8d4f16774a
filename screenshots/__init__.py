"""Pictures of every state of the page, made from the running program: `make screenshots`."""
