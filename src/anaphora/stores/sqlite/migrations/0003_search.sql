-- Which messages are in the full-text index. The index itself is made when the database is opened, where FTS5 is there.

ALTER TABLE messages ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX messages_unindexed ON messages (number) WHERE indexed = 0;
CREATE INDEX messages_by_id ON messages (owner, id);
