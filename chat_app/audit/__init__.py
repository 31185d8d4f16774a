"""The audit log: what was done to people and by whom, sealed so that a change of it is found.

`append` adds a row in the transaction of the change itself. It has no seal yet; one writer seals
the rows in order (`sealer.py`), and `verify.py` finds what was changed afterwards.
"""

from chat_app.audit.append import Actor, Details, Entry, Origin, Subject, append, entry

__all__ = ["Actor", "Details", "Entry", "Origin", "Subject", "append", "entry"]
