"""The providers that answer: one file for each provider or dialect."""
