-- Which refused landings count against the limit, and whose turn it is to land.
ALTER TABLE tasks ADD COLUMN landing_unresolved INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET landing_unresolved = landing_failures WHERE landing_failures > 0;
ALTER TABLE attempts ADD COLUMN given_tip TEXT;
CREATE TABLE turns (
    task     INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    path     TEXT NOT NULL,
    until_at INTEGER,
    PRIMARY KEY (task, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_by_path ON turns (path, task);
CREATE TRIGGER turn_over AFTER UPDATE OF status ON tasks
WHEN new.status IN ('completed', 'failed', 'held', 'cancelled') BEGIN
    DELETE FROM turns WHERE task = new.seq;
END;
-- What an approved task waits for: another task at work, with a turn, whose paths its own work changes too. Of two with
-- turns the earlier goes first. A reader compares until_at with the current time.
CREATE VIEW landing_waits AS
SELECT t.seq AS task, u.task AS holder, u.path, u.until_at
FROM tasks AS t
JOIN changes AS c ON c.since = 'base' AND c.attempt = (
    SELECT a.id FROM attempts AS a WHERE a.task = t.seq AND a.kind = 'work' ORDER BY a.number DESC LIMIT 1)
JOIN json_each(c.files) AS f
JOIN turns AS u ON u.path IN (f.value ->> '$.path', f.value ->> '$.old_path') AND u.task <> t.seq
JOIN tasks AS h ON h.seq = u.task AND (h.open_attempt IS NOT NULL OR h.status IN ('approved', 'landing'))
WHERE (u.until_at, u.task) < (
    coalesce((SELECT min(until_at) FROM turns WHERE task = t.seq), 9223372036854775807), t.seq);
