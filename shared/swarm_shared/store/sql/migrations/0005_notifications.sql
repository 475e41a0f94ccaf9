-- Notifications to be sent, one row per message and target: written with the cursor of the event log in one transaction,
-- taken and settled by the process that sends it.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT NOT NULL UNIQUE,          -- sent with every try, so that a receiver can drop a repetition
    target     TEXT NOT NULL,                 -- names an entry under `notify`, without its address
    label      TEXT NOT NULL,                 -- the target for display, without secrets
    status     TEXT NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'sending', 'sent', 'given_up')),
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,              -- not before
    notices    TEXT NOT NULL,                 -- JSON list, bounded
    counts     TEXT NOT NULL,                 -- JSON object: all notices by kind
    tries      INTEGER NOT NULL DEFAULT 0,    -- begun
    pid        INTEGER,                       -- the process that sends it, or was killed before it knew the outcome
    pid_start  INTEGER,
    boot_id    TEXT,
    pid_ns     INTEGER,
    error      TEXT,                          -- of the last try
    ended_at   INTEGER,
    CHECK ((status = 'sending') = (pid IS NOT NULL)),
    CHECK ((status IN ('sent', 'given_up')) = (ended_at IS NOT NULL))
) STRICT;
CREATE INDEX outbox_unsent ON outbox (target, id) WHERE ended_at IS NULL;

-- Conditions that hold now and are reported once for as long as they hold.
CREATE TABLE conditions (
    name     TEXT PRIMARY KEY,
    since_at INTEGER NOT NULL,
    reported INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
