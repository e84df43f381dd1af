"""What the protocols share: checks, ids, schemas, signatures, turns."""
