-- Every call of a model, and what is known of how it counts.

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

INSERT INTO calls (owner, conversation, model, purpose, created, input, cached, cache_write, output, thinking, cost)
SELECT owner, conversation, model, 'answer', created,
       coalesce(json_extract(usage, '$.input_tokens'), 0), coalesce(json_extract(usage, '$.cached_tokens'), 0), 0,
       coalesce(json_extract(usage, '$.output_tokens'), 0), coalesce(json_extract(usage, '$.thinking_tokens'), 0),
       -- The model in this process costs nothing.
       CASE WHEN model = 'local' OR model LIKE 'local:%' THEN 0.0 END
FROM messages WHERE usage IS NOT NULL;

CREATE TABLE estimates (
    owner           TEXT NOT NULL,
    model           TEXT NOT NULL,
    bytes_per_token REAL NOT NULL,
    samples         INTEGER NOT NULL,
    error           REAL NOT NULL, -- the share by which it was wrong lately
    PRIMARY KEY (owner, model)
) WITHOUT ROWID;
