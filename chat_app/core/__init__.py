"""What every layer may use: errors, parts, clock, signals, text, cryptography, logging."""
