"""How words and meanings are found in what was said: words and their stems, what a message asks of the past, ranking."""
