"""The rules of a store in portable SQL, as functions of a connection."""
