"""The server: OpenAI-compatible endpoints with memory, for many owners, on one machine or many."""
