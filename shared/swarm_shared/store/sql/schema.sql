-- The whole present schema. Times named *_at are milliseconds since 1970 UTC (for display), those named *_mono are
-- milliseconds on the monotonic clock of the boot in meta.boot (for leases). JSON columns hold one JSON value.

-- Facts about the file itself: boot, dashboard token, version that created it.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Current state of each task; what was written about it is in definitions, what was tried in attempts.
CREATE TABLE tasks (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,  -- import order; never used again, not even after --clear
    id              TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 200),
    name            TEXT NOT NULL,
    phase           TEXT NOT NULL DEFAULT '',
    type            TEXT NOT NULL DEFAULT '',
    status          TEXT NOT NULL CHECK (status IN (
                        'not_started', 'blocked', 'waiting_files', 'scheduled', 'claimed', 'in_progress',
                        'approved', 'landing', 'completed', 'failed', 'held', 'cancelled')),
    stage           TEXT CHECK (stage IN ('preparing', 'building', 'checking', 'validating')),
    priority        INTEGER NOT NULL,                   -- smaller is sooner
    chain           INTEGER NOT NULL DEFAULT 0,         -- tasks on the longest chain that waits for this one
    estimated_hours REAL CHECK (estimated_hours >= 0),
    agent_cli       TEXT NOT NULL DEFAULT '',           -- empty: the worker's default
    max_retries     INTEGER CHECK (max_retries >= 0),   -- null: the worker's default
    files           TEXT,                               -- what it may change, JSON list of globs; null: not stated
    clashes_with    INTEGER,                            -- waiting_files: the running task that it waits for
    blockers        INTEGER NOT NULL DEFAULT 0 CHECK (blockers >= 0),  -- needed tasks that are not completed
    due_at          INTEGER,                            -- scheduled: when, for display
    due_mono        INTEGER,                            -- scheduled: when, for the machine
    lease_token     INTEGER NOT NULL DEFAULT 0,         -- fencing token: rises with every change of owner
    open_attempt    TEXT,                               -- its process tree is not yet proven gone
    attempt_count   INTEGER NOT NULL DEFAULT 0,
    failures        INTEGER NOT NULL DEFAULT 0,         -- quality failures since the last fresh budget
    crashes         INTEGER NOT NULL DEFAULT 0,         -- crashes since the last fresh budget
    worker_id       TEXT,
    last_error      TEXT,
    hold_reason     TEXT,
    fingerprint     TEXT,                               -- of the problem that it failed or is held with
    note            TEXT,                               -- a user's note for the next attempt
    safe_id         TEXT,                               -- its name for branch and folder, given once
    approved_at     INTEGER,                            -- its turn in the landing queue
    landing_commit  TEXT,                               -- past the point of no return: what the integration branch gets
    approved_by     TEXT,                               -- a user, against its validator's objection
    landing_failures INTEGER NOT NULL DEFAULT 0,        -- refused landings since the last fresh budget
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    claimed_at      INTEGER,
    started_at      INTEGER,
    completed_at    INTEGER,
    landing_unresolved INTEGER NOT NULL DEFAULT 0,      -- of the refused landings those that count against the limit
    proposed_by     INTEGER,                            -- the task whose agent proposed it
    spent_from      INTEGER NOT NULL DEFAULT 0,         -- sessions before it do not count against the task's own budget
    CHECK ((status = 'scheduled') = (due_mono IS NOT NULL)),
    CHECK ((status = 'held') = (hold_reason IS NOT NULL)),
    CHECK (fingerprint IS NULL OR status IN ('failed', 'held')),
    CHECK (status NOT IN ('claimed', 'in_progress') OR open_attempt IS NOT NULL)
) STRICT;

-- One partial index per hot status, the status a literal, so that a claim costs the same at a million tasks.
CREATE INDEX tasks_for_claim ON tasks (agent_cli, priority, chain DESC, seq)
    WHERE status = 'not_started' AND open_attempt IS NULL;
CREATE INDEX tasks_scheduled ON tasks (due_mono) WHERE status = 'scheduled';
CREATE INDEX tasks_with_open_attempt ON tasks (open_attempt) WHERE open_attempt IS NOT NULL;
CREATE INDEX tasks_waiting_files ON tasks (clashes_with, priority, chain DESC, seq) WHERE status = 'waiting_files';
CREATE INDEX tasks_by_status ON tasks (status, seq);
CREATE UNIQUE INDEX tasks_landing ON tasks (status) WHERE status = 'landing';  -- one lander at a time
CREATE INDEX tasks_to_land ON tasks (approved_at, seq) WHERE status = 'approved';
CREATE UNIQUE INDEX tasks_by_safe_id ON tasks (safe_id COLLATE NOCASE) WHERE safe_id IS NOT NULL;
CREATE INDEX tasks_by_phase ON tasks (phase, seq);  -- without the status: a task's moves leave it alone
CREATE INDEX tasks_by_proposer ON tasks (proposed_by) WHERE proposed_by IS NOT NULL;
CREATE INDEX tasks_by_fingerprint ON tasks (fingerprint, seq) WHERE fingerprint IS NOT NULL;

-- Paths of a task that resolved what it was given and lost the race all the same: landings that change them wait for it.
-- The wait is bounded from its next claim on (until_at; null: not claimed since).
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

-- The task as its file states it: everything that is not a default, as JSON.
CREATE TABLE definitions (
    task INTEGER PRIMARY KEY REFERENCES tasks (seq) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE dependencies (
    task  INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    needs INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    PRIMARY KEY (task, needs),
    CHECK (task <> needs)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependencies_by_need ON dependencies (needs, task);

-- Kept by triggers in the transactions that move tasks, so that totals cost the same at a million tasks.
CREATE TABLE counters (
    phase  TEXT NOT NULL,
    status TEXT NOT NULL,
    tasks  INTEGER NOT NULL,
    hours  REAL NOT NULL,
    PRIMARY KEY (phase, status)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tasks_counted_in AFTER INSERT ON tasks BEGIN
    INSERT INTO counters (phase, status, tasks, hours)
    VALUES (new.phase, new.status, 1, coalesce(new.estimated_hours, 0))
    ON CONFLICT DO UPDATE SET tasks = tasks + 1, hours = hours + excluded.hours;
END;
CREATE TRIGGER tasks_counted_out AFTER DELETE ON tasks BEGIN
    UPDATE counters SET tasks = tasks - 1, hours = hours - coalesce(old.estimated_hours, 0)
    WHERE phase = old.phase AND status = old.status;
END;
CREATE TRIGGER tasks_counted_over AFTER UPDATE OF status, phase, estimated_hours ON tasks
WHEN old.status <> new.status OR old.phase <> new.phase OR old.estimated_hours IS NOT new.estimated_hours BEGIN
    UPDATE counters SET tasks = tasks - 1, hours = hours - coalesce(old.estimated_hours, 0)
    WHERE phase = old.phase AND status = old.status;
    INSERT INTO counters (phase, status, tasks, hours)
    VALUES (new.phase, new.status, 1, coalesce(new.estimated_hours, 0))
    ON CONFLICT DO UPDATE SET tasks = tasks + 1, hours = hours + excluded.hours;
END;

-- One row per problem that attempts failed with, and how many tasks it has stopped; counted as the statuses are.
CREATE TABLE problems (
    fingerprint TEXT PRIMARY KEY,
    cause       TEXT NOT NULL CHECK (cause IN (
                    'builder', 'check', 'validator', 'time', 'landing', 'crash', 'unreadable')),
    sample      TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    newest_at   INTEGER NOT NULL,
    failed      INTEGER NOT NULL DEFAULT 0,
    held        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX problems_by_size ON problems (failed + held, newest_at) WHERE failed + held > 0;

CREATE TRIGGER tasks_stopped AFTER UPDATE OF status, fingerprint ON tasks
WHEN coalesce(old.fingerprint, new.fingerprint) IS NOT NULL BEGIN
    UPDATE problems SET failed = failed - (old.status = 'failed'), held = held - (old.status = 'held')
    WHERE fingerprint = old.fingerprint;
    UPDATE problems SET failed = failed + (new.status = 'failed'), held = held + (new.status = 'held')
    WHERE fingerprint = new.fingerprint;
END;
CREATE TRIGGER tasks_stopped_deleted AFTER DELETE ON tasks WHEN old.fingerprint IS NOT NULL BEGIN
    UPDATE problems SET failed = failed - (old.status = 'failed'), held = held - (old.status = 'held')
    WHERE fingerprint = old.fingerprint;
END;

-- One row per start of a worker process; the name alone is no fence, supervisord restarts the same name.
CREATE TABLE workers (
    run              INTEGER PRIMARY KEY AUTOINCREMENT,
    worker_id        TEXT NOT NULL CHECK (length(worker_id) BETWEEN 1 AND 64),
    status           TEXT NOT NULL CHECK (status IN (
                         'starting', 'idle', 'busy', 'waiting', 'draining', 'retiring', 'stopped', 'crashed')),
    pid              INTEGER NOT NULL,
    pid_start        INTEGER NOT NULL,   -- with the pid, names one process for ever
    keeper_pid       INTEGER,
    keeper_start     INTEGER,
    boot_id          TEXT NOT NULL,
    pid_ns           INTEGER NOT NULL,   -- rows of another namespace are never judged dead
    hostname         TEXT NOT NULL,
    started_at       INTEGER NOT NULL,
    stopped_at       INTEGER,
    heartbeat_at     INTEGER NOT NULL,
    lease_until_mono INTEGER NOT NULL,
    wanted           TEXT CHECK (wanted IN ('drain', 'retire')),
    attempt          TEXT,               -- what it runs
    task             INTEGER REFERENCES tasks (seq) ON DELETE SET NULL,
    tasks_completed  INTEGER NOT NULL DEFAULT 0,
    tasks_failed     INTEGER NOT NULL DEFAULT 0,
    tree_gone_at     INTEGER,            -- the keeper's own proof that nothing of its tree is left
    tree_rss_bytes   INTEGER,            -- memory of the worker and all below it, from its heartbeat
    tree_cpu_share   REAL,               -- processors that they kept busy since the heartbeat before
    tree_processes   INTEGER,
    reason           TEXT,               -- why it waits, stopped or crashed
    host_id          TEXT NOT NULL DEFAULT ''   -- with boot_id: rows of another machine are never judged dead
) STRICT;
CREATE INDEX workers_alive ON workers (worker_id) WHERE status NOT IN ('stopped', 'crashed');
CREATE INDEX workers_by_name ON workers (worker_id, run);

-- The other programs of the swarm: who runs, and what the dashboard may say of them.
CREATE TABLE services (
    name       TEXT PRIMARY KEY,         -- reaper, dashboard, start
    pid        INTEGER NOT NULL,
    pid_start  INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    pid_ns     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    stopped_at INTEGER,
    detail     TEXT NOT NULL DEFAULT '{}',
    host_id    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- One row per try at a task, never overwritten by a later one.
CREATE TABLE attempts (
    id                   TEXT PRIMARY KEY,   -- a UUID that begins with the time: integers of two swarms would meet,
                                             -- random ones would touch another index page each
    task                 INTEGER NOT NULL REFERENCES tasks (seq) ON DELETE CASCADE,
    kind                 TEXT NOT NULL DEFAULT 'work' CHECK (kind IN ('work', 'landing')),
    number               INTEGER NOT NULL,   -- landings have their own numbers
    token                INTEGER NOT NULL,
    run                  INTEGER NOT NULL REFERENCES workers (run),
    worker_id            TEXT NOT NULL,
    agent_cli            TEXT,
    claimed_at           INTEGER NOT NULL,
    started_at           INTEGER,
    ended_at             INTEGER,
    progress_at          INTEGER NOT NULL,   -- last sign of progress from the agent, for display
    progress_mono        INTEGER NOT NULL,   -- the same, for the machine
    fenced_at            INTEGER,            -- the lease was taken away
    fenced_as            TEXT,               -- what the attempt ends as once its tree is proven gone (JSON)
    outcome              TEXT CHECK (outcome IN ('passed', 'failed', 'killed', 'cancelled')),
    failure_class        TEXT CHECK (failure_class IN (
                             'quality', 'crash', 'provider', 'setup', 'interrupted', 'unreadable')),
    error                TEXT,
    exit_code            INTEGER,
    builder_session_id   TEXT,
    validator_session_id TEXT,
    builder_result       TEXT,               -- JSON
    check_results        TEXT,               -- JSON
    validator_result     TEXT,               -- JSON
    must_fix             TEXT,               -- JSON list of text, for the next prompt
    cause                TEXT,               -- what of it failed
    fingerprint          TEXT,               -- of the problem: the same without numbers, times, ids and folders
    same_as              INTEGER,            -- the number of an earlier attempt of the task that failed alike
    same_what            TEXT CHECK (same_what IN ('problem', 'diff', 'both')),
    diff_id              TEXT,               -- of the change from base to head; null: nothing, or not known
    base_sha             TEXT,
    head_sha             TEXT,
    tokens               INTEGER,            -- null is unknown, not zero
    cost_usd             REAL,               -- null is unknown, not zero
    note                 TEXT,               -- the user's note that this attempt was given
    cached_tokens        INTEGER,            -- of the tokens: input that came from a cache
    question             TEXT,               -- what its builder asked the user, instead of finishing
    answer               TEXT,               -- the user's answer to that
    given_tip            TEXT,               -- the landed work that it was given to build on
    route                TEXT,               -- of its builder: agent CLI, account and model; see domain/routes.py
    validator_route      TEXT,
    UNIQUE (task, kind, number),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK (failure_class IS NULL OR outcome = 'failed'),
    CHECK (answer IS NULL OR question IS NOT NULL)
) STRICT;

-- What the attempts of each agent CLI have cost, as far as they reported it; stored so that a query has constant cost.
CREATE TABLE spend (
    agent_cli TEXT PRIMARY KEY,
    attempts  INTEGER NOT NULL,          -- that reported any usage
    tokens    INTEGER NOT NULL,
    cost_usd  REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER attempts_paid AFTER UPDATE OF tokens, cost_usd ON attempts
WHEN old.tokens IS NULL AND old.cost_usd IS NULL AND (new.tokens IS NOT NULL OR new.cost_usd IS NOT NULL) BEGIN
    INSERT INTO spend (agent_cli, attempts, tokens, cost_usd)
    VALUES (coalesce(new.agent_cli, ''), 1, coalesce(new.tokens, 0), coalesce(new.cost_usd, 0))
    ON CONFLICT DO UPDATE SET attempts = attempts + 1, tokens = tokens + excluded.tokens,
        cost_usd = cost_usd + excluded.cost_usd;
END;

-- What an attempt has changed, as text, so that it can be shown without the repository.
CREATE TABLE changes (
    attempt    TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    since      TEXT NOT NULL CHECK (since IN ('base', 'previous')),
    base_sha   TEXT NOT NULL,
    head_sha   TEXT NOT NULL,
    files      TEXT NOT NULL,              -- JSON list, bounded
    file_count INTEGER NOT NULL,
    added      INTEGER NOT NULL,           -- lines
    deleted    INTEGER NOT NULL,
    patch      TEXT NOT NULL,              -- cut behind a line when it was too long
    truncated  INTEGER NOT NULL,
    PRIMARY KEY (attempt, since)
) STRICT;

-- One row per agent process or check command of an attempt.
CREATE TABLE sessions (
    id           INTEGER PRIMARY KEY,
    attempt      TEXT NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    role         TEXT NOT NULL CHECK (role IN ('builder', 'validator', 'check')),
    name         TEXT NOT NULL DEFAULT '',     -- the agent, or the check's command
    pid          INTEGER,
    pid_start    INTEGER,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    exit_code    INTEGER,
    signal       INTEGER,
    resumes      TEXT,                         -- the agent CLI's id of the earlier session that it resumes
    prompt       TEXT,
    output_bytes INTEGER NOT NULL DEFAULT 0,   -- written by the process
    lost_from    INTEGER,                      -- the gap, as byte positions, where output was dropped
    lost_to      INTEGER,
    cli_session_id TEXT,                       -- the agent CLI's own id of the session
    models       TEXT,                         -- that answered, joined by commas
    tokens       INTEGER,                      -- of this run of it alone, also where it resumes an earlier session
    cached_tokens INTEGER,                     -- of the tokens: input that came from a cache
    cost_usd     REAL,
    route        TEXT,                         -- that it ran on; null for checks
    output_tokens INTEGER,                     -- of the tokens: what models wrote
    runner       TEXT,                         -- that started something outside the worker's process tree
    run_name     TEXT,                         -- its name there
    engine       TEXT,                         -- which engine of that runner has it
    run_gone_at  INTEGER                       -- when that engine said that nothing of it is left
) STRICT;
CREATE INDEX sessions_by_attempt ON sessions (attempt, id);

-- What agents' sessions have used since a run or a day began; kept by triggers, so that asking costs the same always.
-- `unpriced` and `uncounted` are sessions whose cost or tokens are not known, which is not zero.
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

-- Caps of a budget that were reported already, once each: of the run, the day, or `task:` with its number.
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

-- What agents' sessions have used on each route in all, as far as they report it. Kept by a trigger, so that reading it
-- costs the same at any size. `priced` and `counted` are sessions that reported a cost, or tokens.
CREATE TABLE route_spend (
    route   TEXT PRIMARY KEY,
    usd     REAL NOT NULL,
    tokens  INTEGER NOT NULL,
    priced  INTEGER NOT NULL,
    counted INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER session_paid AFTER UPDATE OF tokens, cost_usd ON sessions
WHEN new.route IS NOT NULL AND (new.tokens IS NOT old.tokens OR new.cost_usd IS NOT old.cost_usd) BEGIN
    INSERT INTO route_spend (route, usd, tokens, priced, counted)
    VALUES (new.route, coalesce(new.cost_usd, 0.0) - coalesce(old.cost_usd, 0.0),
            coalesce(new.tokens, 0) - coalesce(old.tokens, 0), (old.cost_usd IS NULL) - (new.cost_usd IS NULL),
            (old.tokens IS NULL) - (new.tokens IS NULL))
    ON CONFLICT DO UPDATE SET usd = usd + excluded.usd, tokens = tokens + excluded.tokens,
        priced = priced + excluded.priced, counted = counted + excluded.counted;
END;

-- What the sessions wrote, in order, in bounded chunks.
CREATE TABLE output (
    id       INTEGER PRIMARY KEY,
    session  INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,   -- byte position within the session
    stream   INTEGER NOT NULL CHECK (stream IN (1, 2)),
    at       INTEGER NOT NULL,
    data     BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX output_in_order ON output (session, position);

-- Everything that happened, append only; the key is the cursor of live views (the newest row is never deleted).
CREATE TABLE events (
    id        INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    type      TEXT NOT NULL,
    task      INTEGER,            -- no foreign key: history outlives --clear
    task_id   TEXT,
    attempt   TEXT,
    worker_id TEXT,
    message   TEXT NOT NULL DEFAULT '',
    data      TEXT                -- JSON
) STRICT;
CREATE INDEX events_by_task ON events (task, id) WHERE task IS NOT NULL;

-- Requests of users: written by dashboard and CLI, carried out by workers and reaper.
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
CREATE INDEX control_pending ON control (id) WHERE status = 'pending';
CREATE INDEX control_by_target ON control (target, id);
CREATE INDEX control_landings ON control (id) WHERE verb = 'land';

-- How far an action on many tasks has come, so that another reaper can continue if this one is killed.
CREATE TABLE bulk_steps (
    control  INTEGER PRIMARY KEY REFERENCES control (id) ON DELETE CASCADE,
    cursor   INTEGER NOT NULL,              -- tasks up to this one are dealt with
    done     INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    refusals TEXT NOT NULL DEFAULT '[]'     -- the first few reasons, JSON list of text
) STRICT;

-- Texts to import, kept next to their requests until these have an outcome.
CREATE TABLE request_texts (
    control INTEGER PRIMARY KEY REFERENCES control (id) ON DELETE CASCADE,
    body    TEXT NOT NULL
) STRICT;
CREATE TRIGGER request_text_done AFTER UPDATE OF status ON control WHEN new.status <> 'pending' BEGIN
    DELETE FROM request_texts WHERE control = new.id;
END;

-- Merged results that have passed the gate, alone or as part of a batch.
CREATE TABLE gate_passes (
    tree  TEXT PRIMARY KEY,                    -- git's id of the files
    gate  TEXT NOT NULL,                       -- what ran: a hash of the commands and the task's variables
    tasks TEXT NOT NULL,                       -- ids of the tasks that were tested together, JSON list
    at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Stored states of the whole swarm: paused, drained, emergency_stop, disk_low, runner_down.
CREATE TABLE flags (
    name   TEXT PRIMARY KEY,
    set_at INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- The branch that finished work lands on, as we wrote it last; a tip that is none of these was written by others.
CREATE TABLE integration (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    repository  TEXT NOT NULL,    -- its common git directory
    ref         TEXT NOT NULL,
    person_ref  TEXT,             -- what was checked out when the swarm began; null: detached
    tip         TEXT NOT NULL,
    next_tip    TEXT,             -- about to be written, or written by a worker that died before recording it
    state       TEXT NOT NULL DEFAULT 'following' CHECK (state IN ('following', 'stopped', 'accepting'))
) STRICT;

-- Provider trouble: one row per route on which no session may start.
CREATE TABLE holds (
    route      TEXT PRIMARY KEY,    -- without routes in swarm.yaml the name of the agent CLI
    agent_cli  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    until_at   INTEGER,             -- null: until a user resumes
    until_mono INTEGER,
    step       INTEGER NOT NULL DEFAULT 0,  -- how often in a row, for the doubling wait
    probe      TEXT                -- once the wait is over, one attempt at a time finds out
) STRICT, WITHOUT ROWID;

-- Routes that recover from trouble: how many attempts may use one at once, until that is as many as before.
CREATE TABLE route_limits (
    route           TEXT PRIMARY KEY,
    since           INTEGER NOT NULL,   -- only attempts claimed later raise the limit
    sessions        REAL NOT NULL,      -- halved by a throttle; rises by one with each round of successes
    usual           INTEGER NOT NULL,   -- attempts that used it when the trouble began
    next_start_mono INTEGER NOT NULL    -- starts are spread out
) STRICT, WITHOUT ROWID;

-- Names of agent CLIs that tasks ask for; a claim looks at one ready list per name.
CREATE TABLE agent_clis (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO agent_clis (name) VALUES ('');

-- Imports, and the rows of those that are not yet visible.
CREATE TABLE imports (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    source     TEXT NOT NULL,
    clear      INTEGER NOT NULL DEFAULT 0,
    state      TEXT NOT NULL CHECK (state IN ('staging', 'publishing', 'done', 'abandoned')),
    pid        INTEGER NOT NULL,
    pid_start  INTEGER NOT NULL,
    boot_id    TEXT NOT NULL,
    pid_ns     INTEGER NOT NULL,
    summary    TEXT,
    host_id    TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE staged (
    import   INTEGER NOT NULL REFERENCES imports (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    body     TEXT NOT NULL,       -- the whole row to be, as JSON
    PRIMARY KEY (import, position)
) STRICT, WITHOUT ROWID;

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
    host_id    TEXT,
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

-- What an approved task waits for: another task at work, with a turn, whose paths its own work changes too. Of two with
-- turns the earlier goes first. Readers compare until_at with the present time.
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

-- Completed tasks from a plan that cannot be ticked: the user's command runs once for each.
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
