"""Services behind HTTP: the transport and what all dialects share."""
