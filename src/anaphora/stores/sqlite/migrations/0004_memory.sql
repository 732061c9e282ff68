-- What is derived from transcripts, and which branch a message is on.

-- A line is a path of first children; it is named by the order of its first message. So a branch is a few lines, each up to
-- some message, and whether a message is on it is told without walking from its end.
ALTER TABLE messages ADD COLUMN line INTEGER NOT NULL DEFAULT 0;

WITH RECURSIVE tree (number, owner, conversation, id, line) AS (
    SELECT number, owner, conversation, id, "order" FROM messages WHERE parent IS NULL
    UNION ALL
    SELECT child.number, child.owner, child.conversation, child.id,
           iif(child."order" = (
               SELECT min(sibling."order") FROM messages AS sibling WHERE sibling.owner = child.owner
               AND sibling.conversation = child.conversation AND sibling.parent = child.parent
           ), tree.line, child."order")
    FROM tree JOIN messages AS child
    ON child.owner = tree.owner AND child.conversation = tree.conversation AND child.parent = tree.id
)
UPDATE messages SET line = tree.line FROM tree WHERE messages.number = tree.number;

CREATE TABLE summaries (
    number       INTEGER PRIMARY KEY,
    owner        TEXT NOT NULL,
    conversation TEXT NOT NULL,
    message      TEXT NOT NULL,    -- the last of the messages it stands for
    start        INTEGER NOT NULL, -- how many messages of the branch lie before the first of them
    "end"        INTEGER NOT NULL, -- and up to and with the last
    since        INTEGER NOT NULL, -- where the window must begin for it to be shown
    text         TEXT NOT NULL,
    tokens       INTEGER NOT NULL,
    counter      TEXT NOT NULL,
    model        TEXT NOT NULL DEFAULT '',
    UNIQUE (owner, conversation, message, start),
    FOREIGN KEY (owner, conversation) REFERENCES conversations (owner, id) ON DELETE CASCADE
);

-- The messages with which a branch forks: each begins a line of its own.
CREATE INDEX messages_by_fork ON messages (owner, conversation, "order") WHERE line = "order";

-- Up to which message (its order) facts have been learned from a conversation, and how many of its messages were forgotten.
ALTER TABLE conversations ADD COLUMN learned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;

CREATE TABLE facts (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    text       TEXT NOT NULL,
    origin     TEXT NOT NULL,      -- told or learned
    created    REAL NOT NULL,      -- seconds since 1970
    superseded REAL,               -- NULL: it holds
    successor  TEXT,
    PRIMARY KEY (owner, id)
) WITHOUT ROWID;

CREATE TABLE evidence (
    owner        TEXT NOT NULL,
    fact         TEXT NOT NULL,
    conversation TEXT NOT NULL,
    message      TEXT NOT NULL,
    quote        TEXT NOT NULL,    -- the user's words in it
    PRIMARY KEY (owner, fact, conversation, message),
    FOREIGN KEY (owner, fact) REFERENCES facts (owner, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX evidence_by_message ON evidence (owner, message);

CREATE TABLE vectors (
    place  INTEGER PRIMARY KEY AUTOINCREMENT,  -- only grows, so that whoever has read some can go on after them
    number INTEGER NOT NULL,       -- of the message
    model  TEXT NOT NULL,
    piece  INTEGER NOT NULL,
    row    BLOB NOT NULL,          -- int8
    UNIQUE (number, model, piece),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
);
