"""The stores in which conversations live."""
