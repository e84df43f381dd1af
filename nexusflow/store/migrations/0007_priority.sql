-- Whose calls are refused first when a worker has too much to do.
ALTER TABLE api_key ADD COLUMN priority TEXT NOT NULL DEFAULT 'default';
