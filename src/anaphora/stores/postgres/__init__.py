"""Conversations in Postgres: for any number of processes on any number of machines."""
