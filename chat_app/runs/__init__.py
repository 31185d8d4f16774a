"""How an answer is made: a log that is stored before it is shown, and its readers."""
