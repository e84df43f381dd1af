"""Images and videos as durable tasks: one table is their record, their queue and their timer (engines A.4)."""
