"""The dialects of providers, as pure code: bytes and JSON in and out."""
