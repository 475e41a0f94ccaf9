-- `land` and `import` as requests. A CHECK can only be changed by making the table anew, and the steps of bulk requests are
-- set aside meanwhile: dropping the old table would delete them.
CREATE TABLE kept_steps AS SELECT * FROM bulk_steps;
DROP TABLE bulk_steps;
CREATE TABLE kept_control AS SELECT * FROM control;
CREATE TABLE kept_number AS SELECT seq FROM sqlite_sequence WHERE name = 'control';
DROP TABLE control;

CREATE TABLE control (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    actor           TEXT NOT NULL,
    verb            TEXT NOT NULL CHECK (verb IN (
                        'kill', 'retry', 'cancel', 'hold', 'release', 'approve', 'reject', 'prioritize', 'pause',
                        'resume', 'drain', 'emergency_stop', 'scale', 'restart_worker', 'bulk', 'answer',
                        'add', 'edit', 'land', 'import')),
    target          TEXT NOT NULL DEFAULT '',     -- a task id, a worker id, a branch, or empty for the swarm
    argument        TEXT NOT NULL DEFAULT '{}',   -- JSON object
    attempt_id      TEXT,                         -- aimed at this attempt, never at a later one
    idempotency_key TEXT UNIQUE,
    status          TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'done', 'refused', 'expired')),
    handled_by      TEXT,
    handled_at      INTEGER,
    result          TEXT,
    CHECK ((status = 'pending') = (handled_at IS NULL))
) STRICT;
INSERT INTO control SELECT * FROM kept_control;
-- Numbers of rows that were pruned are not used again.
DELETE FROM sqlite_sequence WHERE name = 'control';
INSERT INTO sqlite_sequence (name, seq) SELECT 'control', seq FROM kept_number;
CREATE INDEX control_pending ON control (id) WHERE status = 'pending';
CREATE INDEX control_by_target ON control (target, id);
CREATE INDEX control_landings ON control (id) WHERE verb = 'land';

CREATE TABLE bulk_steps (
    control  INTEGER PRIMARY KEY REFERENCES control (id) ON DELETE CASCADE,
    cursor   INTEGER NOT NULL,              -- tasks up to this one are dealt with
    done     INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    refusals TEXT NOT NULL DEFAULT '[]'     -- the first few reasons, JSON list of text
) STRICT;
INSERT INTO bulk_steps SELECT * FROM kept_steps;
DROP TABLE kept_steps;
DROP TABLE kept_control;
DROP TABLE kept_number;
