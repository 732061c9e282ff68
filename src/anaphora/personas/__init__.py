"""Named system prompts with options."""
