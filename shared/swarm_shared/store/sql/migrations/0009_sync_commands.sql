-- Completed tasks from a plan that has no place to tick: the user's command runs once for each.
CREATE TABLE syncs (
    task     INTEGER PRIMARY KEY REFERENCES tasks (seq) ON DELETE CASCADE,
    status   TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'given_up')),
    tries    INTEGER NOT NULL DEFAULT 0,
    due_at   INTEGER NOT NULL DEFAULT 0,
    error    TEXT,
    ended_at INTEGER
) STRICT;
CREATE INDEX syncs_open ON syncs (due_at) WHERE ended_at IS NULL;
CREATE TRIGGER task_to_sync AFTER UPDATE OF status ON tasks WHEN new.status = 'completed' BEGIN
    INSERT OR IGNORE INTO syncs (task) SELECT task FROM definitions
    WHERE task = new.seq AND body ->> '$.source.key' IS NOT NULL AND NOT coalesce(body ->> '$.source.tick', 0);
END;
