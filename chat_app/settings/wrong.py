"""What is said when a setting is wrong."""


class WrongSettings(Exception):
    """A setting is wrong; the text is one line that names it."""
