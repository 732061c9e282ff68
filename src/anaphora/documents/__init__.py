"""Documents: files that a conversation may be asked about."""
