"""The states of the pages of organisations.

They only read: what is changed there is an HTTP request of a form, as on the other settings pages.
Each reads with the role that the user has at that moment; what a tab was shown is emptied when the
role is another one (`blank_if_changed`).
"""
