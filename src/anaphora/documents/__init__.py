"""Documents: files that the user can ask about in a conversation."""
