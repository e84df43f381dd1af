-- The ledger. Amounts are integer nano-units; times milliseconds since 1970, UTC.

-- Counters beside the transfers, for admission: available = credited - spent - held - floor. No floor: no bound.
CREATE TABLE wallet (
    org      TEXT    PRIMARY KEY REFERENCES organisation (id),
    credited INTEGER NOT NULL DEFAULT 0,
    spent    INTEGER NOT NULL DEFAULT 0,
    held     INTEGER NOT NULL DEFAULT 0,
    floor    INTEGER
) STRICT;

INSERT INTO wallet (org) VALUES ('org_default');

-- Counters of one budget for one subject in one period.
CREATE TABLE budget_spend (
    budget       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    period_start INTEGER NOT NULL,
    spent        INTEGER NOT NULL DEFAULT 0,
    held         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (budget, subject, period_start)
) STRICT;

-- Every movement of money, once: `debit` pays, `credit` receives. Never changed, never deleted.
CREATE TABLE transfer (
    id         TEXT    PRIMARY KEY,
    kind       TEXT    NOT NULL,
    debit      TEXT    NOT NULL,
    credit     TEXT    NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    org        TEXT    NOT NULL,
    team       TEXT,
    key_id     TEXT,
    user_tag   TEXT,
    request    TEXT,
    lease      TEXT,
    model      TEXT,
    provider   TEXT,
    price      TEXT,
    plan       TEXT,
    usage      TEXT,
    basis      TEXT    NOT NULL,
    reason     TEXT,
    at_ms      INTEGER NOT NULL,
    posted_ms  INTEGER NOT NULL
) STRICT;

CREATE INDEX transfer_by_org ON transfer (org, at_ms);
CREATE INDEX transfer_by_request ON transfer (request);

-- Money that a worker may spend without asking again: a pending transfer with an end, many small charges inside.
CREATE TABLE lease (
    id         TEXT    PRIMARY KEY,
    org        TEXT    NOT NULL,
    worker     TEXT    NOT NULL,
    -- JSON: [[budget, subject, period_start], ...], the counters that hold it beside the wallet.
    counters   TEXT    NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount > 0),
    used       INTEGER NOT NULL DEFAULT 0,
    expires_ms INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'closed'))
) STRICT;

CREATE INDEX lease_open ON lease (state, expires_ms);

-- A worker process and its journal; `lost` when an operator gave its journal up.
CREATE TABLE ledger_worker (
    id       TEXT    PRIMARY KEY,
    host     TEXT    NOT NULL,
    journal  TEXT    NOT NULL,
    seen_ms  INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('live', 'drained', 'lost'))
) STRICT;

-- Price lists by the digest of their content: what a transfer's `price` names can be computed again.
CREATE TABLE price (
    id       TEXT    PRIMARY KEY,
    body     TEXT    NOT NULL,
    seen_ms  INTEGER NOT NULL
) STRICT;

-- What was called and how it went: the operator's and the customer's log. Kept for a time; the transfers are for ever.
CREATE TABLE call (
    id           TEXT    PRIMARY KEY,
    at_ms        INTEGER NOT NULL,
    org          TEXT    NOT NULL,
    team         TEXT,
    key_id       TEXT    NOT NULL,
    user_tag     TEXT,
    protocol     TEXT    NOT NULL,
    model        TEXT    NOT NULL,
    answered_by  TEXT,
    provider     TEXT,
    stream       INTEGER NOT NULL,
    status       INTEGER NOT NULL,
    outcome      TEXT    NOT NULL,
    error        TEXT,
    input        INTEGER NOT NULL,
    cache_read   INTEGER NOT NULL,
    cache_write  INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    amount       INTEGER NOT NULL,
    first_ms     INTEGER,
    total_ms     INTEGER NOT NULL,
    attempts     INTEGER NOT NULL
) STRICT;

CREATE INDEX call_by_org ON call (org, at_ms);
CREATE INDEX call_by_key ON call (key_id, at_ms);

-- Idempotency-Key (ID-1 ... ID-8). `scope` is organisation and route; the answer is kept for 24 hours.
CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    request     TEXT    NOT NULL,
    worker      TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('running', 'done', 'unknown')),
    status      INTEGER,
    content_type TEXT,
    body        BLOB,
    expires_ms  INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT;

CREATE INDEX idempotency_by_expiry ON idempotency (expires_ms);
