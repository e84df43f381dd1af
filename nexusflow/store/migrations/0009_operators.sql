-- Who may use the console, and who is signed in. Digests are keyed by the pepper, as those of keys are; no secret is stored.
CREATE TABLE operator (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    role       TEXT    NOT NULL CHECK (role IN ('owner', 'operator', 'finance', 'viewer')),
    digest     BLOB    NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE operator_session (
    digest     BLOB    PRIMARY KEY,
    operator   TEXT    NOT NULL REFERENCES operator (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL
) STRICT;

CREATE INDEX operator_session_by_operator ON operator_session (operator);
CREATE INDEX call_by_time ON call (at_ms);
