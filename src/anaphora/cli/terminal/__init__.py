"""Drawing in a terminal and reading from it."""
