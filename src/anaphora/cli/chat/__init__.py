"""The conversation in the terminal: its loop and its commands."""
