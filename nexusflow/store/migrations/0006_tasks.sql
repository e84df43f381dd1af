-- Images and videos to be made, and what came of it: the record, the queue and the timer in one. Times are milliseconds
-- since 1970, amounts nano-units.
CREATE TABLE task (
    id             TEXT    PRIMARY KEY,
    -- Whose it is: the user behind the key, or the key.
    owner          TEXT    NOT NULL,
    org            TEXT    NOT NULL,
    team           TEXT,
    key_id         TEXT    NOT NULL,
    user_tag       TEXT,
    face           TEXT    NOT NULL,
    type           TEXT    NOT NULL CHECK (type IN ('image', 'video')),
    model          TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    upstream_model TEXT    NOT NULL,
    state          TEXT    NOT NULL CHECK (state IN
        ('queued', 'submitting', 'waiting', 'succeeded', 'failed', 'cancelled', 'expired', 'unknown')),
    -- Whoever changes the row raises it, and changes nothing if it is not what was read.
    version        INTEGER NOT NULL,
    worker         TEXT,
    -- When it is to be looked at, or how long its worker's claim holds; NULL: never again.
    next_ms        INTEGER,
    created_ms     INTEGER NOT NULL,
    submitted_ms   INTEGER,
    completed_ms   INTEGER,
    deadline_ms    INTEGER NOT NULL,
    expires_ms     INTEGER NOT NULL,
    submits        INTEGER NOT NULL,
    polls          INTEGER NOT NULL,
    errors         INTEGER NOT NULL,
    cancel         INTEGER NOT NULL,
    handle         TEXT,
    progress       INTEGER,
    brief          TEXT    NOT NULL,
    price          TEXT,
    plan           TEXT    NOT NULL,
    held           INTEGER NOT NULL,
    amount         INTEGER,
    made           TEXT,
    output         TEXT,
    error          TEXT,
    error_code     TEXT,
    webhook_url    TEXT,
    base_url       TEXT    NOT NULL,
    name           TEXT,
    fingerprint    BLOB    NOT NULL
) STRICT;

CREATE INDEX task_due ON task (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX task_by_owner ON task (owner, created_ms);
CREATE INDEX task_active ON task (org) WHERE state IN ('queued', 'submitting', 'waiting');
CREATE UNIQUE INDEX task_by_name ON task (owner, name) WHERE name IS NOT NULL;
CREATE INDEX task_by_expiry ON task (expires_ms);

-- Words to be sent to a client's address, until it has taken them or a day is over.
CREATE TABLE webhook (
    id         TEXT    PRIMARY KEY,
    task       TEXT    NOT NULL,
    owner      TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    version    INTEGER NOT NULL,
    worker     TEXT,
    next_ms    INTEGER,
    created_ms INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    status     INTEGER,
    error      TEXT
) STRICT;

CREATE INDEX webhook_due ON webhook (next_ms) WHERE next_ms IS NOT NULL;
CREATE INDEX webhook_by_task ON webhook (task);
