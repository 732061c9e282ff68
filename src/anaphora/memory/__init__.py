"""The memory's reading and writing: what the pure functions of ``context`` and ``search`` need from a store."""
