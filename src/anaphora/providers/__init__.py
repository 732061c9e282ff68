"""Providers: one file for each provider or dialect."""
