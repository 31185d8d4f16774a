"""What the pages of the settings show: small views, each read by one handler.

Nothing is changed here. Every change is an HTTP request, where the cookie is: it says how fresh
the person's proof is, and no secret has to travel in an event.
"""
