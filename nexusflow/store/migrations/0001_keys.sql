-- Customer keys: only a keyed digest is stored, never the key (SEC-51). Rows are revoked, not deleted.
CREATE TABLE api_key (
    id         TEXT    PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    name       TEXT    NOT NULL,
    prefix     TEXT    NOT NULL,
    last4      TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    -- Rises with every write to any row, so that a reader can ask for what changed since it last looked.
    change     INTEGER NOT NULL UNIQUE
) STRICT;

-- Which pepper the digests were made with, as an HMAC of a constant: another pepper file would match no key at all.
CREATE TABLE key_pepper (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    proof BLOB    NOT NULL
) STRICT;
