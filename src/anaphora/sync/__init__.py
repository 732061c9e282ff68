"""The chatbot without await: the same names over one event loop in a thread of its own."""
