-- What was agreed with one subject beside its plan. `subject` is the id of an organisation, team, user or key; `model`
-- is empty for what holds for all models that have no row of their own. NULL: what the plan says.
CREATE TABLE quota (
    org         TEXT    NOT NULL REFERENCES organisation (id),
    subject     TEXT    NOT NULL,
    model       TEXT    NOT NULL,
    rpm         INTEGER,
    tpm         INTEGER,
    concurrency INTEGER,
    streams     INTEGER,
    tasks       INTEGER,
    set_ms      INTEGER NOT NULL,
    PRIMARY KEY (subject, model)
) STRICT;

-- What callers asked for. A decided one stays on record.
CREATE TABLE limit_request (
    id         TEXT    PRIMARY KEY,
    org        TEXT    NOT NULL REFERENCES organisation (id),
    key_id     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    rpm        INTEGER,
    tpm        INTEGER,
    concurrency INTEGER,
    reason     TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'approved', 'denied')),
    created_ms INTEGER NOT NULL,
    decided_ms INTEGER,
    answer     TEXT
) STRICT;

CREATE INDEX limit_request_by_key ON limit_request (key_id, created_ms);
CREATE INDEX limit_request_by_state ON limit_request (state, id);
