-- What the run and the day have used, which caps were reported, and from when a task's own budget counts.
ALTER TABLE tasks ADD COLUMN spent_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN output_tokens INTEGER;
CREATE TABLE meters (
    scope     TEXT PRIMARY KEY CHECK (scope IN ('run', 'day')),
    since     INTEGER NOT NULL,
    usd       REAL NOT NULL DEFAULT 0,
    tokens    INTEGER NOT NULL DEFAULT 0,
    ms        INTEGER NOT NULL DEFAULT 0,
    sessions  INTEGER NOT NULL DEFAULT 0,
    unpriced  INTEGER NOT NULL DEFAULT 0,
    uncounted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
INSERT INTO meters (scope, since) VALUES ('run', 0), ('day', 0);
CREATE TABLE budget_notes (
    key   TEXT NOT NULL,
    unit  TEXT NOT NULL,
    level TEXT NOT NULL CHECK (level IN ('warning', 'reached')),
    PRIMARY KEY (key, unit, level)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions
WHEN old.ended_at IS NULL AND new.ended_at IS NOT NULL AND new.role <> 'check' BEGIN
    UPDATE meters SET ms = ms + max(0, new.ended_at - new.started_at), sessions = sessions + 1,
        unpriced = unpriced + (new.cost_usd IS NULL), uncounted = uncounted + (new.tokens IS NULL);
END;
CREATE TRIGGER session_reported AFTER UPDATE OF tokens, cost_usd ON sessions WHEN new.role <> 'check' BEGIN
    UPDATE meters SET usd = usd + coalesce(new.cost_usd, 0) - coalesce(old.cost_usd, 0),
        tokens = tokens + coalesce(new.tokens, 0) - coalesce(old.tokens, 0),
        unpriced = unpriced - (new.ended_at IS NOT NULL AND old.cost_usd IS NULL AND new.cost_usd IS NOT NULL),
        uncounted = uncounted - (new.ended_at IS NOT NULL AND old.tokens IS NULL AND new.tokens IS NOT NULL);
END;
