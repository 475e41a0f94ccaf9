-- The machine of every recorded process: one of another machine is unknown, not dead. Empty in rows from before.
ALTER TABLE workers ADD COLUMN host_id TEXT NOT NULL DEFAULT '';
ALTER TABLE services ADD COLUMN host_id TEXT NOT NULL DEFAULT '';
ALTER TABLE imports ADD COLUMN host_id TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN host_id TEXT;
