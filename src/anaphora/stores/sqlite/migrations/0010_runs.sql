-- Runs of a server with their event logs, and the tokens of its users.

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

-- The owner stands first in every key.

CREATE TABLE owned_pieces (
    owner  TEXT NOT NULL,
    number INTEGER NOT NULL,  -- of the message
    place  INTEGER NOT NULL,
    added  TEXT NOT NULL,     -- JSON, see growth.py
    PRIMARY KEY (owner, number, place),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
) WITHOUT ROWID;

INSERT INTO owned_pieces SELECT messages.owner, pieces.number, pieces.place, pieces.added
    FROM pieces JOIN messages ON messages.number = pieces.number;
DROP TABLE pieces;
ALTER TABLE owned_pieces RENAME TO pieces;

CREATE TABLE owned_vectors (
    place  INTEGER PRIMARY KEY AUTOINCREMENT,  -- only grows, so that whoever has read some can go on after them
    owner  TEXT NOT NULL,
    number INTEGER NOT NULL,                   -- of the message
    model  TEXT NOT NULL,
    piece  INTEGER NOT NULL,
    row    BLOB NOT NULL,                      -- int8
    UNIQUE (owner, model, number, piece),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
);

INSERT INTO owned_vectors (place, owner, number, model, piece, row)
    SELECT vectors.place, messages.owner, vectors.number, vectors.model, vectors.piece, vectors.row
    FROM vectors JOIN messages ON messages.number = vectors.number;
DROP TABLE vectors;
ALTER TABLE owned_vectors RENAME TO vectors;

CREATE INDEX pieces_by_number ON pieces (number);
CREATE INDEX vectors_by_number ON vectors (number);
