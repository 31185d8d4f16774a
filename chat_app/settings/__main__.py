"""`python -m chat_app.settings` prints `.env.example`."""

import sys

from chat_app.settings.example import example

sys.stdout.write(example())
