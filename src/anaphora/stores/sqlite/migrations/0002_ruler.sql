-- How much of its branch lies before a message, so that a window's cut is found without reading the branch from its start.

ALTER TABLE messages ADD COLUMN before_messages INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN before_turns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN before_tokens INTEGER NOT NULL DEFAULT 0;

WITH RECURSIVE tree (number, owner, conversation, id, messages, turns, tokens) AS (
    SELECT number, owner, conversation, id, 1, role = 'user', tokens FROM messages WHERE parent IS NULL
    UNION ALL
    SELECT child.number, child.owner, child.conversation, child.id,
           tree.messages + 1, tree.turns + (child.role = 'user'), tree.tokens + child.tokens
    FROM tree JOIN messages AS child
    ON child.owner = tree.owner AND child.conversation = tree.conversation AND child.parent = tree.id
)
UPDATE messages SET
    before_messages = tree.messages - 1,
    before_turns = tree.turns - (messages.role = 'user'),
    before_tokens = tree.tokens - messages.tokens
FROM tree WHERE messages.number = tree.number;
