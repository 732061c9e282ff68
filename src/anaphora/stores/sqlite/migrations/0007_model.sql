-- A conversation may have a model of its own.

-- Empty: the bot's model.
ALTER TABLE conversations ADD COLUMN model TEXT NOT NULL DEFAULT '';
