-- What runners start outside of the worker's process tree, so that it can be followed when the worker is dead.
ALTER TABLE sessions ADD COLUMN runner TEXT;
ALTER TABLE sessions ADD COLUMN run_name TEXT;
ALTER TABLE sessions ADD COLUMN engine TEXT;
ALTER TABLE sessions ADD COLUMN run_gone_at INTEGER;
