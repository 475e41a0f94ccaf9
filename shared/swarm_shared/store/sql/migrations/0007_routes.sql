-- A hold belongs to a route (agent CLI, account and model); attempts and sessions record theirs.
ALTER TABLE attempts ADD COLUMN route TEXT;
ALTER TABLE attempts ADD COLUMN validator_route TEXT;
ALTER TABLE sessions ADD COLUMN route TEXT;
UPDATE attempts SET route = agent_cli, validator_route = agent_cli WHERE ended_at IS NULL;
CREATE TABLE holds_by_route (
    route      TEXT PRIMARY KEY,
    agent_cli  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until_at   INTEGER,
    until_mono INTEGER,
    step       INTEGER NOT NULL DEFAULT 0,
    probe      TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO holds_by_route (route, agent_cli, kind, reason, since, until_at, until_mono, step, probe)
SELECT agent_cli, agent_cli, kind, reason, since, until_at, until_mono, step, probe FROM holds;
DROP TABLE holds;
ALTER TABLE holds_by_route RENAME TO holds;
CREATE TABLE route_limits (
    route           TEXT PRIMARY KEY,
    since           INTEGER NOT NULL,
    sessions        REAL NOT NULL,
    usual           INTEGER NOT NULL,
    next_start_mono INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
