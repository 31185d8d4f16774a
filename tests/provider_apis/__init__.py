"""The clients of OpenAI and Anthropic, and the encoders that they read."""
