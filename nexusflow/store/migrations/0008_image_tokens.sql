-- What a provider says that its images took, as JSON.
ALTER TABLE task ADD COLUMN tokens TEXT;
