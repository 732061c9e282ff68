"""Models inside the process."""
