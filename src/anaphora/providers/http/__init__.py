"""Services over HTTP: the transport and the code that all dialects share."""
