-- Who may call and who pays: organisation, team, user, key. Amounts are integer nano-units of the ledger's currency.
CREATE TABLE organisation (
    id         TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    plan       TEXT,
    status     TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE team (
    id         TEXT    PRIMARY KEY,
    org        TEXT    NOT NULL REFERENCES organisation (id),
    name       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    created_ms INTEGER NOT NULL,
    UNIQUE (org, name)
) STRICT;

-- People (or services) that own keys.
CREATE TABLE member (
    id         TEXT    PRIMARY KEY,
    org        TEXT    NOT NULL REFERENCES organisation (id),
    name       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('active', 'suspended')),
    created_ms INTEGER NOT NULL,
    UNIQUE (org, name)
) STRICT;

-- A fresh gateway has one organisation, which every key belongs to that names no other.
INSERT INTO organisation (id, name, plan, status, created_ms) VALUES ('org_default', 'default', NULL, 'active', 0);

ALTER TABLE api_key ADD COLUMN org TEXT NOT NULL DEFAULT 'org_default';
ALTER TABLE api_key ADD COLUMN team TEXT;
ALTER TABLE api_key ADD COLUMN owner TEXT;
ALTER TABLE api_key ADD COLUMN plan TEXT;
ALTER TABLE api_key ADD COLUMN rpm INTEGER;
-- JSON: {"models": [...], "protocols": [...], "endpoints": [...], "admin": "none" | "read" | "write", "ips": [...]}
ALTER TABLE api_key ADD COLUMN scopes TEXT NOT NULL DEFAULT '{}';
-- The key that took this one's place, which ends at expires_ms, after a grace period.
ALTER TABLE api_key ADD COLUMN replaced_by TEXT;

-- Beside the key's row, so that using a key is no change to it.
CREATE TABLE key_use (
    key_id       TEXT    PRIMARY KEY,
    calls        INTEGER NOT NULL,
    last_used_ms INTEGER NOT NULL
) STRICT;

-- A bound on spending of one subject. `subject` is an id of the scope's kind; '*' gives each subject a sum of its own.
CREATE TABLE budget (
    id         TEXT    PRIMARY KEY,
    org        TEXT    REFERENCES organisation (id),
    scope      TEXT    NOT NULL CHECK (scope IN ('org', 'team', 'key', 'user', 'model')),
    subject    TEXT    NOT NULL,
    period     TEXT    NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    mode       TEXT    NOT NULL CHECK (mode IN ('hard', 'soft')),
    created_ms INTEGER NOT NULL
) STRICT;

-- Rises with every write to organisation, team, member or budget, so that workers see changes within a second.
CREATE TABLE directory_change (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    change INTEGER NOT NULL
) STRICT;

INSERT INTO directory_change (id, change) VALUES (1, 1);

-- Every change that an operator made; only ever appended to (SEC-58).
CREATE TABLE audit (
    id      TEXT    PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
