"""Finds words and meanings in messages: words and their stems, the need of a message for the past, ranking."""
