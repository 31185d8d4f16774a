"""What every layer may use: errors, parts, clock, signals, tasks, text, keys, logging."""
