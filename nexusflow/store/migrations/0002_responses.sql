-- Stored responses of the Responses protocol, for `previous_response_id`, `item_reference` and GET /v1/responses/{id}.
-- A thread is a response and all that continue it: they are kept as context as long as the last of them is kept.
CREATE TABLE response_thread (
    id         INTEGER PRIMARY KEY,
    key_id     TEXT    NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX response_thread_by_expiry ON response_thread (expires_ms);
CREATE INDEX response_thread_by_key ON response_thread (key_id, expires_ms);

-- Ids are often the provider's: two keys may well get the same one, and must not notice.
CREATE TABLE response (
    id         TEXT    NOT NULL,
    thread     INTEGER NOT NULL REFERENCES response_thread (id) ON DELETE CASCADE,
    key_id     TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    previous   TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    body       BLOB    NOT NULL,
    PRIMARY KEY (key_id, id)
) STRICT;

CREATE INDEX response_by_thread ON response (thread);

-- Items of the input as it was new with a response (`output` 0), and of its output (1).
CREATE TABLE response_item (
    seq         INTEGER PRIMARY KEY,
    key_id      TEXT    NOT NULL,
    response_id TEXT    NOT NULL,
    output      INTEGER NOT NULL CHECK (output IN (0, 1)),
    position    INTEGER NOT NULL,
    item_id     TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    UNIQUE (key_id, response_id, output, position),
    FOREIGN KEY (key_id, response_id) REFERENCES response (key_id, id) ON DELETE CASCADE
) STRICT;

CREATE INDEX response_item_by_id ON response_item (key_id, item_id);

-- How much each key has stored, so that no save needs to add it up.
CREATE TABLE response_volume (
    key_id TEXT    PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT;

CREATE TRIGGER response_stored AFTER INSERT ON response BEGIN
    INSERT INTO response_volume (key_id, bytes) VALUES (new.key_id, new.bytes)
        ON CONFLICT (key_id) DO UPDATE SET bytes = response_volume.bytes + excluded.bytes;
END;

CREATE TRIGGER response_gone AFTER DELETE ON response BEGIN
    UPDATE response_volume SET bytes = bytes - old.bytes WHERE key_id = old.key_id;
END;
