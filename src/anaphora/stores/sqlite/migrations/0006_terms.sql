-- An index of terms instead of words, and facts that belong to one conversation.

-- The index knows terms only by a hash with this key, so that a word that was forgotten stands nowhere in it.
CREATE TABLE index_key (key BLOB NOT NULL);
INSERT INTO index_key (key) VALUES (randomblob(16));

-- Every message is taken into the new index bit by bit.
UPDATE messages SET indexed = 0;
DROP INDEX messages_unindexed;
CREATE INDEX messages_unindexed ON messages (number) WHERE indexed = 0 AND status <> 'pending';

-- Empty: the fact may be shown in every conversation of its owner.
ALTER TABLE facts ADD COLUMN conversation TEXT NOT NULL DEFAULT '';
