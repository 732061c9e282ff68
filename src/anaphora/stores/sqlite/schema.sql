-- The tables of a new database: what all migrations together make.

PRAGMA application_id = 0x616e6170;  -- "anap"

CREATE TABLE conversations (
    owner      TEXT NOT NULL,
    id         TEXT NOT NULL,
    title      TEXT NOT NULL DEFAULT '',
    system     TEXT,                        -- NULL: the bot's own
    head       TEXT,                        -- the message that the next turn continues from; NULL: the very start
    created    REAL NOT NULL,               -- seconds since 1970
    updated    REAL NOT NULL,
    messages   INTEGER NOT NULL DEFAULT 0,
    usage      TEXT NOT NULL DEFAULT '{}',
    holder     TEXT,                        -- who may write, and until when
    expires    REAL NOT NULL DEFAULT 0,
    learned    INTEGER NOT NULL DEFAULT 0,  -- facts were learned up to the message of this order
    forgotten  INTEGER NOT NULL DEFAULT 0,  -- so many of its messages were forgotten
    model      TEXT NOT NULL DEFAULT '',    -- empty: the bot's own
    settings   TEXT NOT NULL DEFAULT '{}',  -- JSON: the options it was answered with last, keys never
    PRIMARY KEY (owner, id)
) WITHOUT ROWID;

CREATE INDEX conversations_by_update ON conversations (owner, updated);

CREATE TABLE messages (
    number          INTEGER PRIMARY KEY,
    owner           TEXT NOT NULL,
    conversation    TEXT NOT NULL,
    id              TEXT NOT NULL,
    parent          TEXT,                        -- NULL: a root
    "order"         INTEGER NOT NULL,
    role            TEXT NOT NULL,
    parts           TEXT NOT NULL,               -- JSON, see codec.py
    status          TEXT NOT NULL,
    tokens          INTEGER NOT NULL,
    counter         TEXT NOT NULL,               -- whose tokenizer counted them; empty: an estimate
    created         REAL NOT NULL,
    usage           TEXT,
    model           TEXT NOT NULL DEFAULT '',
    key             TEXT,
    before_messages INTEGER NOT NULL DEFAULT 0,  -- how much of its branch lies before it
    before_turns    INTEGER NOT NULL DEFAULT 0,
    before_tokens   INTEGER NOT NULL DEFAULT 0,
    indexed         INTEGER NOT NULL DEFAULT 0,  -- whether it is in the full-text index
    line            INTEGER NOT NULL DEFAULT 0,  -- a path of first children, named by the order of its first message
    UNIQUE (owner, conversation, id),
    UNIQUE (owner, conversation, "order"),
    UNIQUE (owner, conversation, key),
    FOREIGN KEY (owner, conversation) REFERENCES conversations (owner, id) ON DELETE CASCADE
);

CREATE INDEX messages_by_parent ON messages (owner, conversation, parent, "order");
CREATE INDEX messages_pending ON messages (owner, conversation) WHERE status = 'pending';
CREATE INDEX messages_unindexed ON messages (number) WHERE indexed = 0 AND status <> 'pending';
CREATE INDEX messages_by_id ON messages (owner, id);
-- The messages with which a branch forks: each begins a line of its own.
CREATE INDEX messages_by_fork ON messages (owner, conversation, "order") WHERE line = "order";

-- What is added to a message while it is written.
CREATE TABLE pieces (
    owner  TEXT NOT NULL,
    number INTEGER NOT NULL,  -- of the message
    place  INTEGER NOT NULL,
    added  TEXT NOT NULL,     -- JSON, see growth.py
    PRIMARY KEY (owner, number, place),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
) WITHOUT ROWID;

-- Rows that could not be read.
CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    source TEXT NOT NULL,     -- the table where the row stood
    row    TEXT NOT NULL,     -- JSON: its columns by name
    reason TEXT NOT NULL,
    moved  REAL NOT NULL      -- seconds since 1970
);

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

CREATE TABLE facts (
    owner        TEXT NOT NULL,
    id           TEXT NOT NULL,
    text         TEXT NOT NULL,
    origin       TEXT NOT NULL,             -- told or learned
    created      REAL NOT NULL,             -- seconds since 1970
    superseded   REAL,                      -- NULL: it holds
    successor    TEXT,
    conversation TEXT NOT NULL DEFAULT '',  -- the only one where it is shown; empty: every one of its owner
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
    owner  TEXT NOT NULL,
    number INTEGER NOT NULL,                   -- of the message
    model  TEXT NOT NULL,
    piece  INTEGER NOT NULL,
    row    BLOB NOT NULL,                      -- int8
    UNIQUE (owner, model, number, piece),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
);

CREATE INDEX pieces_by_number ON pieces (number);
CREATE INDEX vectors_by_number ON vectors (number);

CREATE TABLE calls (
    number       INTEGER PRIMARY KEY,
    owner        TEXT NOT NULL,
    conversation TEXT NOT NULL,    -- stays when the conversation is deleted: what was spent was spent
    model        TEXT NOT NULL,
    purpose      TEXT NOT NULL,    -- answer, title, summary or facts
    created      REAL NOT NULL,    -- seconds since 1970
    input        INTEGER NOT NULL, -- tokens, those cached and written to a cache included
    cached       INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL, -- tokens, those thought included
    thinking     INTEGER NOT NULL,
    cost         REAL,             -- dollars; NULL: the price is not known
    estimated    INTEGER NOT NULL DEFAULT 0
);

CREATE INDEX calls_by_time ON calls (owner, created);
CREATE INDEX calls_by_conversation ON calls (owner, conversation);

CREATE TABLE estimates (
    owner           TEXT NOT NULL,
    model           TEXT NOT NULL,
    bytes_per_token REAL NOT NULL,
    samples         INTEGER NOT NULL,
    error           REAL NOT NULL, -- the share by which it was wrong lately
    PRIMARY KEY (owner, model)
) WITHOUT ROWID;

-- The index knows terms only by a hash with this key, so that a word that was forgotten stands nowhere in it.
CREATE TABLE index_key (key BLOB NOT NULL);
INSERT INTO index_key (key) VALUES (randomblob(16));

CREATE TABLE runs (
    owner        TEXT NOT NULL,
    id           TEXT NOT NULL,              -- resp_…
    conversation TEXT NOT NULL,
    message      TEXT,                       -- the message that it answers
    base         TEXT,                       -- the message that it goes on from
    status       TEXT NOT NULL,              -- pending while it runs
    created      REAL NOT NULL,              -- seconds since 1970
    ended        REAL,
    holder       TEXT NOT NULL,              -- the process that runs it, and until when it is believed
    expires      REAL NOT NULL,
    stop         INTEGER NOT NULL DEFAULT 0, -- somebody wants it to stop
    allowed      TEXT NOT NULL DEFAULT '{}', -- JSON: the answers to its questions, by the id of the call
    request      TEXT NOT NULL,              -- JSON: the options that the response repeats
    result       TEXT NOT NULL DEFAULT '{}', -- JSON: usage, finish, report and error
    fingerprint  TEXT NOT NULL DEFAULT '',   -- a hash of the request: it is known again when it is repeated
    key          TEXT,                       -- the client's Idempotency-Key
    chain        TEXT,                       -- a hash of all messages of the branch up to its answer
    PRIMARY KEY (owner, id),
    UNIQUE (owner, key),
    FOREIGN KEY (owner, conversation) REFERENCES conversations (owner, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX runs_by_conversation ON runs (owner, conversation, created);
CREATE INDEX runs_by_fingerprint ON runs (owner, fingerprint, created);
CREATE INDEX runs_by_chain ON runs (owner, chain, created) WHERE chain IS NOT NULL;
CREATE INDEX runs_pending ON runs (holder, expires) WHERE status = 'pending';

CREATE TABLE run_events (
    owner  TEXT NOT NULL,
    run    TEXT NOT NULL,
    number INTEGER NOT NULL,  -- of the first event in the row
    events TEXT NOT NULL,     -- JSON: the events in a row, see event_codec.py
    PRIMARY KEY (owner, run, number),
    FOREIGN KEY (owner, run) REFERENCES runs (owner, id) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE tokens (
    hash       TEXT PRIMARY KEY,           -- of the token; the token itself is nowhere
    name       TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    limits     TEXT NOT NULL DEFAULT '{}', -- JSON
    created    REAL NOT NULL,
    expires    REAL,
    remembers  INTEGER NOT NULL DEFAULT 0, -- lists of messages are recognised
    allowance  REAL NOT NULL DEFAULT 0,    -- requests that may be made at once
    refilled   REAL NOT NULL DEFAULT 0     -- when that was
) WITHOUT ROWID;

CREATE TABLE token_days (
    token  TEXT NOT NULL,
    day    TEXT NOT NULL,     -- YYYY-MM-DD, in UTC
    tokens INTEGER NOT NULL,
    cost   REAL NOT NULL,     -- dollars
    PRIMARY KEY (token, day),
    FOREIGN KEY (token) REFERENCES tokens (hash) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE sign_ins (
    hash    TEXT PRIMARY KEY,  -- of the cookie that stands for a token in a browser
    token   TEXT NOT NULL,
    created REAL NOT NULL,
    seen    REAL NOT NULL,
    agent   TEXT NOT NULL,     -- the browser, as it names itself
    FOREIGN KEY (token) REFERENCES tokens (hash) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX sign_ins_by_token ON sign_ins (token);

CREATE TABLE token_slots (
    token   TEXT NOT NULL,
    id      TEXT NOT NULL,    -- an answer that is being given
    holder  TEXT NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (token, id),
    FOREIGN KEY (token) REFERENCES tokens (hash) ON DELETE CASCADE
) WITHOUT ROWID;
