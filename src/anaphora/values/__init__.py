"""The values that everything else speaks of: messages, events, options, usage. They know no I/O and no clock."""
