"""The asynchronous chatbot: bots, conversations and replies."""
