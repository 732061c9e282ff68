"""From a transcript to what the model sees: pure functions, no I/O."""
