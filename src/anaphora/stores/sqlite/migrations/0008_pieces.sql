-- What is added to a message while it is written; and rows that could not be read.

CREATE TABLE pieces (
    number INTEGER NOT NULL,  -- of the message
    place  INTEGER NOT NULL,
    added  TEXT NOT NULL,     -- JSON, see growth.py
    PRIMARY KEY (number, place),
    FOREIGN KEY (number) REFERENCES messages (number) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE TABLE quarantine (
    number INTEGER PRIMARY KEY,
    owner  TEXT NOT NULL,
    source TEXT NOT NULL,     -- the table where the row stood
    row    TEXT NOT NULL,     -- JSON: its columns by name
    reason TEXT NOT NULL,
    moved  REAL NOT NULL      -- seconds since 1970
);
