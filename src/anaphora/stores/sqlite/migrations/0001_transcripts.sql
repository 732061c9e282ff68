-- Conversations and their trees of messages.

PRAGMA application_id = 0x616e6170;  -- "anap"

CREATE TABLE conversations (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    title      TEXT NOT NULL DEFAULT '',
    system     TEXT,              -- NULL: the bot's own
    head       TEXT,              -- the message that the next turn continues from; NULL: the very start
    created    REAL NOT NULL,     -- seconds since 1970
    updated    REAL NOT NULL,
    messages   INTEGER NOT NULL DEFAULT 0,
    usage      TEXT NOT NULL DEFAULT '{}',
    holder     TEXT,              -- who may write, and until when
    expires    REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, id)
) WITHOUT ROWID;

CREATE INDEX conversations_by_update ON conversations (owner, updated);

CREATE TABLE messages (
    number       INTEGER PRIMARY KEY,
    owner        TEXT NOT NULL,
    conversation TEXT NOT NULL,
    id           TEXT NOT NULL,
    parent       TEXT,            -- NULL: a root
    "order"      INTEGER NOT NULL,
    role         TEXT NOT NULL,
    parts        TEXT NOT NULL,   -- JSON, see codec.py
    status       TEXT NOT NULL,
    tokens       INTEGER NOT NULL,
    counter      TEXT NOT NULL,   -- whose tokenizer counted them; empty: an estimate
    created      REAL NOT NULL,
    usage        TEXT,
    model        TEXT NOT NULL DEFAULT '',
    key          TEXT,
    UNIQUE (owner, conversation, id),
    UNIQUE (owner, conversation, "order"),
    UNIQUE (owner, conversation, key),
    FOREIGN KEY (owner, conversation) REFERENCES conversations (owner, id) ON DELETE CASCADE
);

CREATE INDEX messages_by_parent ON messages (owner, conversation, parent, "order");
CREATE INDEX messages_pending ON messages (owner, conversation) WHERE status = 'pending';
