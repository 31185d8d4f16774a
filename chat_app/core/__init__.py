"""What every layer may use: errors, clock, signals, text, keys, logging."""
