"""Python type hints as JSON schemas, and JSON as values of these types."""
