-- Every statement of the suite, by name, with what it guarantees. Values are bound, never formatted in.

-- ───── claim and settle ─────

-- name: may_claim
-- No row: no task may start now, or not on this worker, which must drain or retire or was declared dead.
-- Else whether a scheduled task is due, and whether any route is held or limited: statements that need not run cost
-- nothing.
SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_scheduled WHERE status = 'scheduled' AND due_mono <= :mono),
       EXISTS (SELECT 1 FROM holds) OR EXISTS (SELECT 1 FROM route_limits)
FROM workers
WHERE run = :run AND wanted IS NULL AND status NOT IN ('stopped', 'crashed')
  AND NOT EXISTS (SELECT 1 FROM flags WHERE name IN ('paused', 'drained', 'emergency_stop', 'disk_low', 'runner_down'));

-- name: promote_due
-- Scheduled tasks whose time has come become ready, or blocked when a dependency is no longer completed.
UPDATE tasks INDEXED BY tasks_scheduled
SET status = iif(blockers > 0, 'blocked', 'not_started'), due_at = NULL, due_mono = NULL, updated_at = :wall
WHERE status = 'scheduled' AND due_mono <= :mono;

-- name: claim_task
-- Picks, marks and fences in one statement: the best ready task of any agent CLI but those in :closed, on whose routes
-- nothing may start. The guard of the pick is repeated outside it, so that the statement is right also where two may
-- pick at a time.
UPDATE tasks
SET status = 'claimed', stage = 'preparing',
    lease_token = lease_token + 1, open_attempt = :attempt,
    attempt_count = attempt_count + 1, worker_id = :worker_id, claimed_at = :wall, started_at = NULL,
    completed_at = NULL, updated_at = :wall
WHERE seq = (
    SELECT best.seq
    FROM agent_clis AS cli
    JOIN tasks AS best ON best.seq = (
        SELECT ready.seq FROM tasks AS ready INDEXED BY tasks_for_claim
        WHERE ready.status = 'not_started' AND ready.open_attempt IS NULL AND ready.agent_cli = cli.name
        ORDER BY ready.priority, ready.chain DESC, ready.seq LIMIT 1)
    WHERE cli.name NOT IN (SELECT value FROM json_each(:closed))
    ORDER BY best.priority, best.chain DESC, best.seq LIMIT 1)
  AND status = 'not_started' AND open_attempt IS NULL
RETURNING seq, id, lease_token, attempt_count, agent_cli, note, files;

-- name: files_at_work
-- Files of the tasks that run or wait to land: as many rows as there are workers, and a landing queue.
SELECT seq, files FROM tasks INDEXED BY tasks_with_open_attempt
WHERE open_attempt IS NOT NULL AND files IS NOT NULL AND seq <> :task
UNION ALL
SELECT seq, files FROM tasks INDEXED BY tasks_by_status
WHERE status IN ('approved', 'landing') AND open_attempt IS NULL AND files IS NOT NULL;

-- name: put_behind
-- Takes a claim back within its own transaction: its files overlap those of a task at work.
UPDATE tasks
SET status = 'waiting_files', stage = NULL, clashes_with = :clashes_with, open_attempt = NULL,
    attempt_count = attempt_count - 1, worker_id = NULL, claimed_at = NULL, started_at = NULL
WHERE seq = :task;

-- name: next_clash
-- The distinct tasks that others wait for, one at a time, whatever their number.
SELECT w.clashes_with, t.seq IS NULL OR (t.open_attempt IS NULL AND t.status NOT IN ('approved', 'landing'))
FROM (SELECT min(clashes_with) AS clashes_with FROM tasks INDEXED BY tasks_waiting_files
      WHERE status = 'waiting_files' AND clashes_with > :after) AS w
LEFT JOIN tasks AS t ON t.seq = w.clashes_with WHERE w.clashes_with IS NOT NULL;

-- name: let_go
-- The best of those that waited for one task's files: as many as could be claimed at once.
UPDATE tasks SET status = 'not_started', clashes_with = NULL, updated_at = :wall
WHERE seq IN (SELECT seq FROM tasks INDEXED BY tasks_waiting_files
              WHERE status = 'waiting_files' AND clashes_with = :clashes_with
              ORDER BY priority, chain DESC, seq LIMIT :limit);

-- name: open_attempt
INSERT INTO attempts (id, task, number, token, run, worker_id, agent_cli, route, validator_route, claimed_at,
                      progress_at, progress_mono, note)
VALUES (:attempt, :task, :number, :token, :run, :worker_id, :agent_cli, :route, :validator_route, :wall, :wall,
        :mono, :note);

-- name: probe_hold
-- After a wait is over one attempt alone finds out whether the provider is back.
UPDATE holds SET probe = :attempt WHERE route = :route;

-- name: owns
-- No row: the lease was lost.
SELECT 1 FROM tasks WHERE seq = :task AND lease_token = :token AND open_attempt = :attempt;

-- name: enter_stage
-- Fenced: changes nothing under a stale token.
UPDATE tasks SET status = iif(status = 'landing', status, 'in_progress'), stage = :stage, started_at = coalesce(started_at, :wall), updated_at = :wall
WHERE seq = :task AND lease_token = :token AND open_attempt = :attempt;

-- name: attempt_started
UPDATE attempts SET started_at = coalesce(started_at, :wall), progress_at = :wall, progress_mono = :mono
WHERE id = :attempt;

-- name: open_session
INSERT INTO sessions (attempt, role, name, started_at, prompt, resumes, runner, run_name, engine, route)
VALUES (:attempt, :role, :name, :wall, :prompt, :resumes, :runner, :run_name, :engine,
        CASE :role WHEN 'builder' THEN (SELECT route FROM attempts WHERE id = :attempt)
                   WHEN 'validator' THEN (SELECT validator_route FROM attempts WHERE id = :attempt) END);

-- name: session_runs
UPDATE sessions SET pid = :pid, pid_start = :pid_start WHERE id = :session;

-- name: close_session
UPDATE sessions SET ended_at = :ended_at, exit_code = :exit_code, signal = :signal, pid = coalesce(pid, :pid),
       pid_start = coalesce(pid_start, :pid_start), output_bytes = :output_bytes,
       run_gone_at = CASE WHEN run_name IS NOT NULL THEN :ended_at END
WHERE id = :session;

-- name: open_runs
-- What runners have started for an attempt, and is not proven gone.
SELECT runner, run_name, engine FROM sessions
WHERE attempt = :attempt AND run_name IS NOT NULL AND run_gone_at IS NULL ORDER BY id;

-- name: run_is_gone
UPDATE sessions SET run_gone_at = :wall WHERE attempt = :attempt AND run_name = :run_name;

-- name: report_session
UPDATE sessions SET cli_session_id = :cli_session_id, models = :models, tokens = :tokens,
       cached_tokens = :cached_tokens, output_tokens = :output_tokens, cost_usd = :cost_usd
WHERE id = :session;

-- name: close_sessions_of
-- Nothing of an attempt that has ended runs: for a session whose own end could not be stored.
UPDATE sessions SET ended_at = :wall WHERE attempt = :attempt AND ended_at IS NULL;

-- name: used_by_cli_session
-- What the runs of one session of the agent CLI have used so far, within one task.
SELECT sum(s.tokens), sum(s.cached_tokens), sum(s.output_tokens), sum(s.cost_usd)
FROM attempts AS a JOIN sessions AS s INDEXED BY sessions_by_attempt ON s.attempt = a.id
WHERE a.task = :task AND s.cli_session_id = :cli_session_id;

-- name: note_progress
-- The sign of progress that the stuck rule reads; only of an open attempt.
UPDATE attempts SET progress_at = :wall, progress_mono = :mono WHERE id = :attempt AND ended_at IS NULL;

-- name: task_of_attempt
-- Everything that settling looks at; no row: the attempt does not have the task open. The last five say whether there
-- are dependents, tasks that wait for files, held or limited routes, whether earlier tasks failed with the same message,
-- and whether work of the task has landed already.
SELECT t.id, t.lease_token, t.failures, t.crashes, t.max_retries, t.blockers, a.note, a.agent_cli, a.claimed_at,
       a.kind, t.landing_failures, t.landing_unresolved, a.number,
       EXISTS (SELECT 1 FROM dependencies WHERE needs = t.seq),
       EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_waiting_files WHERE status = 'waiting_files'),
       EXISTS (SELECT 1 FROM holds) OR EXISTS (SELECT 1 FROM route_limits),
       EXISTS (SELECT 1 FROM meta WHERE key = 'same_deaths'),
       EXISTS (SELECT 1 FROM attempts AS l WHERE l.task = t.seq AND l.kind = 'landing' AND l.outcome = 'passed')
FROM tasks AS t JOIN attempts AS a ON a.id = t.open_attempt WHERE t.seq = :task AND t.open_attempt = :attempt;

-- name: forgive_crashes
-- A fault of the machine, found by the ends of several tasks, is none of these: those that wait get their budget back.
UPDATE tasks SET crashes = 0, updated_at = :wall
WHERE seq = :task AND crashes > 0 AND status IN ('not_started', 'blocked', 'waiting_files', 'scheduled', 'approved');

-- name: failures_of_task
SELECT failures FROM tasks WHERE seq = :task;

-- name: close_attempt
-- Once only: an attempt that has ended never ends again.
UPDATE attempts
SET ended_at = :wall, outcome = :outcome, failure_class = :failure_class, error = :error, exit_code = :exit_code,
    builder_session_id = :builder_session_id, validator_session_id = :validator_session_id,
    builder_result = :builder_result, check_results = :check_results, validator_result = :validator_result,
    must_fix = :must_fix, base_sha = :base_sha, head_sha = :head_sha, tokens = :tokens,
    cached_tokens = :cached_tokens, cost_usd = :cost_usd,
    cause = :cause, fingerprint = :fingerprint, same_as = :same_as, same_what = :same_what, diff_id = :diff_id,
    question = :question
WHERE id = :attempt AND ended_at IS NULL;

-- name: close_attempt_briefly
-- As close_attempt, but not by its worker: what the attempt had stored stays.
UPDATE attempts SET ended_at = :wall, outcome = :outcome, failure_class = :failure_class, error = :error,
    cause = :cause, fingerprint = :fingerprint
WHERE id = :attempt AND ended_at IS NULL;

-- name: move_task
-- Fenced by the attempt whose tree was proven gone: no other may requeue the task.
UPDATE tasks
SET status = :status, stage = NULL, open_attempt = NULL, worker_id = NULL, failures = :failures, crashes = :crashes,
    last_error = :error, hold_reason = :hold_reason, fingerprint = :fingerprint, due_at = :due_at,
    due_mono = :due_mono, note = :note, completed_at = :completed_at, updated_at = :wall
WHERE seq = :task AND open_attempt = :attempt AND lease_token = :token;

-- name: failed_alike
-- The newest earlier attempt of the task that failed with the same problem, or with the same change.
SELECT number, fingerprint = :fingerprint AS problem, coalesce(diff_id = :diff_id, 0) AS diff FROM attempts
WHERE task = :task AND kind = 'work' AND failure_class = 'quality' AND id <> :attempt
  AND (fingerprint = :fingerprint OR diff_id = :diff_id) ORDER BY number DESC LIMIT 1;

-- name: note_problem
-- Before the task is moved, which counts it here.
INSERT INTO problems (fingerprint, cause, sample, attempts, newest_at)
VALUES (:fingerprint, :cause, :sample, 1, :wall)
ON CONFLICT DO UPDATE SET attempts = attempts + 1, newest_at = excluded.newest_at;

-- name: free_dependents
-- A completed task counts its dependents down; those at zero become ready in the same transaction.
UPDATE tasks
SET blockers = blockers - 1,
    status = iif(status = 'blocked' AND blockers = 1, 'not_started', status), updated_at = :wall
WHERE seq IN (SELECT task FROM dependencies WHERE needs = :task);

-- name: bind_dependents
-- A completed task is reopened: its dependents wait again, running ones continue.
UPDATE tasks
SET blockers = blockers + 1,
    due_at = iif(status = 'scheduled', NULL, due_at), due_mono = iif(status = 'scheduled', NULL, due_mono),
    status = iif(status IN ('not_started', 'waiting_files', 'scheduled'), 'blocked', status), updated_at = :wall
WHERE seq IN (SELECT task FROM dependencies WHERE needs = :task);

-- name: free_worker
UPDATE workers SET attempt = NULL, task = NULL, status = iif(status = 'busy', 'idle', status),
       tasks_completed = tasks_completed + :completed, tasks_failed = tasks_failed + :failed
WHERE run = :run;

-- name: occupy_worker
UPDATE workers SET attempt = :attempt, task = :task, status = iif(status IN ('starting', 'idle', 'waiting'), 'busy', status)
WHERE run = :run;

-- name: anything_ready
-- A cheap look before a claim takes the write lock.
SELECT 1 WHERE EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_for_claim
                       WHERE status = 'not_started' AND open_attempt IS NULL)
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_scheduled WHERE status = 'scheduled' AND due_mono <= :mono)
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_waiting_files WHERE status = 'waiting_files');

-- name: next_due
SELECT min(due_mono) FROM tasks INDEXED BY tasks_scheduled WHERE status = 'scheduled';

-- ───── provider holds ─────

-- name: routes_of_attempt
SELECT coalesce(route, agent_cli), agent_cli, coalesce(validator_route, route, agent_cli) FROM attempts WHERE id = :attempt;

-- name: hold_of
SELECT since, step, probe FROM holds WHERE route = :route;

-- name: put_hold
INSERT INTO holds (route, agent_cli, kind, reason, since, until_at, until_mono, step)
VALUES (:route, :agent_cli, :kind, :reason, :wall, :until_at, :until_mono, :step)
ON CONFLICT DO UPDATE SET kind = excluded.kind, reason = excluded.reason, since = excluded.since,
    until_at = excluded.until_at, until_mono = excluded.until_mono, step = excluded.step, probe = NULL;

-- name: clear_hold_after_success
-- Only a session that began after the hold proves that the provider is back.
DELETE FROM holds WHERE route = :route AND since < :session_began;

-- name: closed_routes
-- Held, or tried by another attempt after the wait.
SELECT route FROM holds AS h
WHERE h.until_at IS NULL OR (h.until_at > :wall AND h.until_mono > :mono)
   OR EXISTS (SELECT 1 FROM attempts AS a WHERE a.id = h.probe AND a.ended_at IS NULL);

-- name: limited_routes
-- How many attempts each may have at once, and has; and whether its next start is still to wait.
SELECT l.route, l.sessions,
       (SELECT count(*) FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
        WHERE t.open_attempt IS NOT NULL AND l.route IN (a.route, a.validator_route)),
       l.next_start_mono > :mono
FROM route_limits AS l;

-- name: attempts_on_route
SELECT count(*) FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL AND :route IN (a.route, a.validator_route);

-- name: spent_by_route
SELECT route, iif(priced > 0, usd, NULL), iif(counted > 0, tokens, NULL) FROM route_spend;

-- name: limit_of_route
SELECT sessions FROM route_limits WHERE route = :route;

-- name: put_limit
-- The usual number stays that of before the trouble until it is reached again.
INSERT INTO route_limits (route, since, sessions, usual, next_start_mono)
VALUES (:route, :wall, :sessions, :usual, 0)
ON CONFLICT DO UPDATE SET since = excluded.since, sessions = excluded.sessions;

-- name: spread_starts
UPDATE route_limits SET next_start_mono = :next_start_mono WHERE route = :route;

-- name: raise_limit
-- One more with each round of as many successes as may run at once.
UPDATE route_limits SET sessions = sessions + 1.0 / sessions WHERE route = :route AND since < :claimed_at;

-- name: drop_reached_limit
DELETE FROM route_limits WHERE route = :route AND sessions >= usual;

-- name: meter
SELECT since, usd, tokens, ms, sessions, unpriced, uncounted FROM meters WHERE scope = :scope;

-- name: begin_meter
-- From the sessions that have ended since then; only the last ones are looked through.
UPDATE meters SET since = :since, usd = u.usd, tokens = u.tokens, ms = u.ms, sessions = u.sessions,
       unpriced = u.unpriced, uncounted = u.uncounted
FROM (SELECT coalesce(sum(cost_usd), 0.0) AS usd, coalesce(sum(tokens), 0) AS tokens,
             coalesce(sum(max(0, ended_at - started_at)), 0) AS ms, count(*) AS sessions,
             coalesce(sum(cost_usd IS NULL), 0) AS unpriced, coalesce(sum(tokens IS NULL), 0) AS uncounted
      FROM sessions
      WHERE id > (SELECT coalesce(max(id), 0) - :stretch FROM sessions) AND ended_at >= :since AND role <> 'check') AS u
WHERE scope = :scope;

-- name: spent_by_task
SELECT coalesce(sum(s.cost_usd), 0.0), coalesce(sum(s.tokens), 0), coalesce(sum(max(0, s.ended_at - s.started_at)), 0),
       count(*), coalesce(sum(s.cost_usd IS NULL), 0), coalesce(sum(s.tokens IS NULL), 0)
FROM tasks AS t JOIN attempts AS a ON a.task = t.seq JOIN sessions AS s INDEXED BY sessions_by_attempt ON s.attempt = a.id
WHERE t.seq = :task AND s.role <> 'check' AND s.ended_at IS NOT NULL AND s.started_at >= t.spent_from;

-- name: spent_by_running
-- As spent_by_task, for each task that runs.
SELECT t.id, coalesce(sum(s.cost_usd), 0.0), coalesce(sum(s.tokens), 0),
       coalesce(sum(max(0, s.ended_at - s.started_at)), 0), count(*), coalesce(sum(s.cost_usd IS NULL), 0),
       coalesce(sum(s.tokens IS NULL), 0)
FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.task = t.seq
     JOIN sessions AS s INDEXED BY sessions_by_attempt ON s.attempt = a.id
WHERE t.open_attempt IS NOT NULL AND s.role <> 'check' AND s.ended_at IS NOT NULL AND s.started_at >= t.spent_from
GROUP BY t.seq ORDER BY t.seq;

-- name: spent_from
SELECT spent_from FROM tasks WHERE seq = :task;

-- name: note_cap
-- Whether it was news is the number of changed rows.
INSERT INTO budget_notes (key, unit, level) VALUES (:key, :unit, :level) ON CONFLICT DO NOTHING;

-- name: forget_caps
DELETE FROM budget_notes WHERE key = :key;

-- name: caps_reached
SELECT DISTINCT key FROM budget_notes WHERE level = 'reached' AND key IN ('run', 'day');

-- name: spent_lately
-- What sessions that ended since a time have cost, among a bounded stretch of the last ones; null: none is known.
SELECT sum(cost_usd) FROM sessions
WHERE id > (SELECT coalesce(max(id), 0) - :stretch FROM sessions) AND ended_at >= :since AND role <> 'check';

-- name: costs
-- Sessions of agents by what they were for. The key is chosen by :by: task, phase, model, route or day.
SELECT CASE :by WHEN 'task' THEN t.id WHEN 'phase' THEN t.phase WHEN 'model' THEN coalesce(s.models, '')
                WHEN 'route' THEN coalesce(s.route, a.agent_cli, '')
                ELSE date(s.started_at / 1000, 'unixepoch', 'localtime') END AS key,
       count(*) AS sessions, count(DISTINCT a.id) AS attempts, sum(s.cost_usd) AS cost_usd, sum(s.tokens) AS tokens,
       sum(s.cached_tokens) AS cached_tokens, sum(s.output_tokens) AS output_tokens,
       sum(max(0, coalesce(s.ended_at, :wall) - s.started_at)) / 60000.0 AS minutes,
       sum(s.ended_at IS NOT NULL AND s.cost_usd IS NULL) AS unpriced,
       sum(s.ended_at IS NOT NULL AND s.tokens IS NULL) AS uncounted
FROM sessions AS s JOIN attempts AS a ON a.id = s.attempt JOIN tasks AS t ON t.seq = a.task
WHERE s.role <> 'check' GROUP BY 1
ORDER BY CASE :by WHEN 'day' THEN NULL ELSE sum(s.cost_usd) END DESC NULLS LAST,
         CASE :by WHEN 'day' THEN NULL ELSE sum(s.tokens) END DESC NULLS LAST, 1 LIMIT :limit;

-- name: clear_limits
DELETE FROM route_limits;

-- name: clear_holds
DELETE FROM holds;

-- name: holds
SELECT route, agent_cli, kind, reason, since, until_at, step FROM holds ORDER BY route;

-- name: next_hold_end
SELECT min(moment) FROM (SELECT until_mono AS moment FROM holds WHERE until_mono > :mono
                         UNION ALL SELECT next_start_mono FROM route_limits WHERE next_start_mono > :mono);

-- ───── flags ─────

-- name: set_flag
INSERT INTO flags (name, set_at, actor, reason) VALUES (:name, :wall, :actor, :reason)
ON CONFLICT DO UPDATE SET set_at = excluded.set_at, actor = excluded.actor, reason = excluded.reason;

-- name: clear_flag
DELETE FROM flags WHERE name = :name;

-- name: flags
SELECT name, set_at, actor, reason FROM flags ORDER BY name;

-- ───── meta ─────

-- name: meta
SELECT value FROM meta WHERE key = :key;

-- name: set_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT DO UPDATE SET value = excluded.value;

-- name: drop_meta
DELETE FROM meta WHERE key = :key;

-- name: set_meta_once
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT DO NOTHING;

-- ───── events ─────

-- name: add_event
INSERT INTO events (at, type, task, task_id, attempt, worker_id, message, data)
VALUES (:at, :type, :task, :task_id, :attempt, :worker_id, :message, :data);

-- name: events_since
SELECT id, at AS timestamp, type AS event_type, task_id, attempt, worker_id, message, data
FROM events WHERE id > :after ORDER BY id LIMIT :limit;

-- name: events_newest
SELECT id, at AS timestamp, type AS event_type, task_id, attempt, worker_id, message, data
FROM events ORDER BY id DESC LIMIT :limit;

-- name: events_of_task
SELECT id, at AS timestamp, type AS event_type, worker_id, message, data
FROM events INDEXED BY events_by_task WHERE task = :task ORDER BY id;

-- name: last_event_id
SELECT coalesce(max(id), 0) FROM events;

-- ───── workers ─────

-- name: add_worker
INSERT INTO workers (worker_id, status, pid, pid_start, keeper_pid, keeper_start, boot_id, pid_ns, host_id,
                     hostname, started_at, heartbeat_at, lease_until_mono)
VALUES (:worker_id, 'starting', :pid, :pid_start, :keeper_pid, :keeper_start, :boot_id, :pid_ns, :host_id,
        :hostname, :wall, :wall, :lease_until_mono);

-- name: alive_worker_named
SELECT run, pid, pid_start, boot_id, pid_ns, host_id FROM workers INDEXED BY workers_alive
WHERE worker_id = :worker_id AND status NOT IN ('stopped', 'crashed');

-- name: heartbeat
-- Counted from when the renewal began, so that a slow commit cannot stretch the lease.
UPDATE workers SET heartbeat_at = :wall, lease_until_mono = :lease_until_mono,
       tree_rss_bytes = coalesce(:rss_bytes, tree_rss_bytes), tree_cpu_share = coalesce(:cpu_share, tree_cpu_share),
       tree_processes = coalesce(:processes, tree_processes)
WHERE run = :run AND status NOT IN ('stopped', 'crashed');

-- name: set_worker_status
UPDATE workers SET status = :status, reason = :reason WHERE run = :run AND status NOT IN ('stopped', 'crashed');

-- name: want_of_worker
UPDATE workers SET wanted = :wanted WHERE run = :run AND status NOT IN ('stopped', 'crashed');

-- name: worker_wanted
SELECT wanted, status FROM workers WHERE run = :run;

-- name: end_worker
UPDATE workers SET status = :status, stopped_at = :wall, reason = :reason, attempt = NULL, task = NULL
WHERE run = :run AND status NOT IN ('stopped', 'crashed');

-- name: tree_gone
-- Written by the keeper itself, after its worker died and nothing below it was left.
UPDATE workers SET tree_gone_at = :wall WHERE keeper_pid = :keeper_pid AND keeper_start = :keeper_start
    AND boot_id = :boot_id AND pid_ns = :pid_ns;

-- name: alive_workers
SELECT run, worker_id, status, pid, pid_start, keeper_pid, keeper_start, boot_id, pid_ns, host_id, hostname,
       heartbeat_at, lease_until_mono, attempt, task, tree_gone_at
FROM workers INDEXED BY workers_alive WHERE status NOT IN ('stopped', 'crashed') ORDER BY run;

-- name: number_of_alive_workers
SELECT count(*) FROM workers INDEXED BY workers_alive WHERE status NOT IN ('stopped', 'crashed');

-- name: worker_run
SELECT run, worker_id, status, pid, pid_start, keeper_pid, keeper_start, boot_id, pid_ns, host_id, hostname,
       heartbeat_at, lease_until_mono, attempt, task, tree_gone_at
FROM workers WHERE run = :run;

-- name: crashes_in_a_row
-- Starts of this worker that crashed without finishing anything, newest first until the first good one.
SELECT status, tasks_completed + tasks_failed AS finished, started_at, stopped_at
FROM workers INDEXED BY workers_by_name WHERE worker_id = :worker_id AND run < :run ORDER BY run DESC LIMIT 20;

-- name: workers_shown
-- The newest start of each worker.
SELECT w.run, w.worker_id, w.pid, w.keeper_pid, w.hostname, w.status, w.started_at, w.stopped_at,
       w.heartbeat_at AS last_heartbeat, t.id AS current_task_id, t.stage AS stage, w.reason, w.wanted, w.attempt,
       w.tree_rss_bytes, w.tree_cpu_share, w.tree_processes,
       (SELECT sum(o.tasks_completed) FROM workers AS o WHERE o.worker_id = w.worker_id) AS tasks_completed,
       (SELECT sum(o.tasks_failed) FROM workers AS o WHERE o.worker_id = w.worker_id) AS tasks_failed,
       (SELECT count(*) - 1 FROM workers AS o WHERE o.worker_id = w.worker_id) AS restarts
FROM workers AS w LEFT JOIN tasks AS t ON t.seq = w.task
WHERE w.run IN (SELECT max(run) FROM workers GROUP BY worker_id) ORDER BY length(w.worker_id), w.worker_id;

-- ───── services ─────

-- name: put_service
INSERT INTO services (name, pid, pid_start, boot_id, pid_ns, host_id, started_at, seen_at, detail)
VALUES (:name, :pid, :pid_start, :boot_id, :pid_ns, :host_id, :wall, :wall, :detail)
ON CONFLICT DO UPDATE SET pid = excluded.pid, pid_start = excluded.pid_start, boot_id = excluded.boot_id,
    pid_ns = excluded.pid_ns, host_id = excluded.host_id, started_at = excluded.started_at, seen_at = excluded.seen_at, stopped_at = NULL,
    detail = excluded.detail;

-- name: see_service
UPDATE services SET seen_at = :wall, detail = :detail WHERE name = :name AND pid = :pid AND pid_start = :pid_start;

-- name: end_service
UPDATE services SET stopped_at = :wall WHERE name = :name AND pid = :pid AND pid_start = :pid_start;

-- name: services
SELECT name, pid, pid_start, boot_id, pid_ns, host_id, started_at, seen_at, stopped_at, detail FROM services ORDER BY name;

-- ───── recovery ─────

-- name: fence_task
-- The token rises: from here on the attempt's worker can write nothing more.
UPDATE tasks SET lease_token = lease_token + 1, updated_at = :wall WHERE seq = :task AND open_attempt = :attempt;

-- name: fence_attempt
-- The first reason wins; it is stored with the raised token, so that another reaper can finish the work.
UPDATE attempts SET fenced_at = :wall, fenced_as = :fenced_as
WHERE id = :attempt AND ended_at IS NULL AND fenced_at IS NULL;

-- name: open_attempts
-- Everything whose process tree is not yet proven gone, with the start of the worker that ran it.
SELECT t.open_attempt AS attempt, t.seq AS task, t.id AS task_id, t.status, t.lease_token, a.number, a.claimed_at,
       a.progress_at, a.progress_mono, a.ended_at, a.fenced_at, a.fenced_as, a.run, w.worker_id,
       w.status AS worker_status, w.pid, w.pid_start, w.keeper_pid, w.keeper_start, w.boot_id, w.pid_ns,
       w.host_id, w.hostname, w.heartbeat_at, w.lease_until_mono, w.tree_gone_at, w.attempt AS worker_attempt
FROM tasks AS t INDEXED BY tasks_with_open_attempt
JOIN attempts AS a ON a.id = t.open_attempt
JOIN workers AS w ON w.run = a.run
WHERE t.open_attempt IS NOT NULL;

-- name: sessions_of_attempt
SELECT id, role, name, pid, pid_start, started_at, ended_at, exit_code, signal, resumes, prompt, output_bytes,
       lost_from, lost_to, cli_session_id, models, tokens, cached_tokens, cost_usd, route,
       output_tokens
FROM sessions WHERE attempt = :attempt ORDER BY id;

-- name: hold_unproven
-- What cannot be proven dead is held and said; open_attempt stays, so that no claim can take it.
UPDATE tasks SET status = 'held', stage = NULL, hold_reason = 'not_proven_dead', last_error = :error,
       due_at = NULL, due_mono = NULL, updated_at = :wall
WHERE seq = :task AND open_attempt = :attempt;

-- name: prove_gone
-- The attempt had ended before; only the proof was missing.
UPDATE tasks SET open_attempt = NULL, updated_at = :wall WHERE seq = :task AND open_attempt = :attempt;

-- name: void_schedules
-- Another boot: monotonic times mean nothing any more.
UPDATE tasks INDEXED BY tasks_scheduled SET due_mono = 0 WHERE status = 'scheduled' AND due_mono > 0;

-- name: void_hold_times
UPDATE holds SET until_mono = 0 WHERE until_mono IS NOT NULL;

-- ───── reading tasks ─────

-- name: task_row
SELECT t.*, d.body FROM tasks AS t LEFT JOIN definitions AS d ON d.task = t.seq WHERE t.id = :id;

-- name: task_page
-- A page in import order; the statuses and the phase narrow it where they are given.
SELECT t.*, d.body FROM tasks AS t LEFT JOIN definitions AS d ON d.task = t.seq
WHERE t.seq > :after AND (:phase IS NULL OR t.phase = :phase) ORDER BY t.seq LIMIT :limit;

-- name: task_page_of_status
-- The same for one status, straight from its index; pages of several are merged by who asks.
SELECT t.*, d.body FROM tasks AS t INDEXED BY tasks_by_status LEFT JOIN definitions AS d ON d.task = t.seq
WHERE t.status = :status AND t.seq > :after AND (:phase IS NULL OR t.phase = :phase) ORDER BY t.seq LIMIT :limit;

-- name: task_row_by_seq
SELECT t.*, d.body FROM tasks AS t LEFT JOIN definitions AS d ON d.task = t.seq WHERE t.seq = :task;

-- name: definition
SELECT body FROM definitions WHERE task = :task;

-- name: task_state
SELECT seq, id, status, open_attempt, lease_token, blockers, failures, crashes, hold_reason, attempt_count, phase,
       priority, landing_commit
FROM tasks WHERE id = :id;

-- name: needs_of
SELECT n.id, n.status, n.seq FROM dependencies AS d JOIN tasks AS n ON n.seq = d.needs
WHERE d.task = :task ORDER BY n.seq;

-- name: dependents_of
SELECT t.id, t.status, t.seq FROM dependencies AS d INDEXED BY dependencies_by_need JOIN tasks AS t ON t.seq = d.task
WHERE d.needs = :task ORDER BY t.seq;

-- name: attempts_of
-- With the agent that built last in it, and the earlier session that it resumed.
SELECT a.*, s.name AS builder_agent, s.resumes AS resumed_session_id,
       (SELECT group_concat(DISTINCT models) FROM sessions WHERE attempt = a.id) AS models
FROM attempts AS a
LEFT JOIN sessions AS s ON s.id = (SELECT max(id) FROM sessions WHERE attempt = a.id AND role = 'builder')
WHERE a.task = :task AND a.kind = 'work' ORDER BY a.number;

-- name: attempt
SELECT * FROM attempts WHERE id = :attempt;

-- name: attempt_numbered
SELECT a.* FROM attempts AS a JOIN tasks AS t ON t.seq = a.task WHERE t.id = :id AND a.kind = 'work' AND a.number = :number;

-- name: last_attempt
SELECT * FROM attempts WHERE task = :task AND kind = 'work' ORDER BY number DESC LIMIT 1;

-- name: counters
SELECT status, sum(tasks) AS tasks, sum(hours) AS hours FROM counters GROUP BY status;

-- name: counters_by_phase
SELECT phase, status, tasks, hours FROM counters WHERE tasks > 0 ORDER BY phase, status;

-- name: recent_passes
-- What the last attempts that passed took, in seconds, for the forecast.
SELECT (a.ended_at - a.claimed_at) / 1000.0 FROM attempts AS a
WHERE a.rowid > (SELECT coalesce(max(rowid), 0) - :window FROM attempts) AND a.outcome = 'passed' AND a.kind = 'work';

-- name: at_work_since
SELECT a.claimed_at FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL AND t.status IN ('claimed', 'in_progress');

-- name: open_tasks
-- Everything that has not ended, with the start of the attempt that works on it.
SELECT t.seq, t.status, t.estimated_hours, a.claimed_at
FROM tasks AS t INDEXED BY tasks_by_status LEFT JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.status IN ('not_started', 'blocked', 'waiting_files', 'scheduled', 'claimed', 'in_progress', 'approved', 'landing');

-- name: open_tasks_at_work
SELECT t.seq, t.status, t.estimated_hours, a.claimed_at
FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL AND t.status IN ('claimed', 'in_progress');

-- name: open_links
-- What blocked tasks still need, and its status.
SELECT d.task, d.needs, n.status
FROM tasks AS t INDEXED BY tasks_by_status JOIN dependencies AS d ON d.task = t.seq JOIN tasks AS n ON n.seq = d.needs
WHERE t.status = 'blocked' AND n.status <> 'completed';

-- name: tasks_stuck
-- Blocked tasks that need one that has ended without completing, directly or not; bounded. CROSS JOIN keeps this order:
-- without it SQLite scans all blocked tasks for the few that are stuck.
WITH RECURSIVE stuck (task) AS (
    SELECT d.task FROM tasks AS t INDEXED BY tasks_by_status
    JOIN dependencies AS d INDEXED BY dependencies_by_need ON d.needs = t.seq
    WHERE t.status IN ('failed', 'held', 'cancelled')
    UNION
    SELECT d.task FROM stuck AS s JOIN dependencies AS d INDEXED BY dependencies_by_need ON d.needs = s.task
    LIMIT :limit)
SELECT count(*) FROM stuck CROSS JOIN tasks AS t ON t.seq = stuck.task WHERE t.status = 'blocked';

-- name: rank_in_queue
SELECT count(*) FROM tasks INDEXED BY tasks_for_claim
WHERE status = 'not_started' AND open_attempt IS NULL AND agent_cli = :agent_cli
  AND (priority, -chain, seq) < (:priority, -:chain, :seq);

-- name: running_tasks
SELECT t.id, t.name, t.stage, t.worker_id, t.started_at, a.number, a.progress_at, a.run
FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL AND t.status IN ('claimed', 'in_progress', 'landing') ORDER BY t.started_at;

-- name: tasks_for_export
SELECT t.seq, t.id, t.name, t.phase, t.type, t.status, t.priority, t.estimated_hours, d.body
FROM json_each(:seqs) AS wanted JOIN tasks AS t ON t.seq = wanted.value JOIN definitions AS d ON d.task = t.seq
ORDER BY t.seq;

-- name: needs_for_export
SELECT d.task, n.id
FROM json_each(:seqs) AS wanted JOIN dependencies AS d ON d.task = wanted.value JOIN tasks AS n ON n.seq = d.needs
ORDER BY d.task, d.needs;

-- ───── steering ─────

-- name: set_task_ready
-- A retry or release by the user: fresh limits, history kept, and a token that no old attempt knows.
UPDATE tasks
SET status = iif(blockers > 0, 'blocked', 'not_started'), stage = NULL, failures = 0, crashes = 0, hold_reason = NULL,
    fingerprint = NULL, landing_failures = 0, landing_unresolved = 0, landing_commit = NULL, approved_at = NULL, approved_by = NULL,
    due_at = NULL, due_mono = NULL, completed_at = NULL, lease_token = lease_token + 1,
    note = coalesce(:note, note), spent_from = :wall, updated_at = :wall
WHERE seq = :task;

-- name: release_task
UPDATE tasks
SET status = iif(blockers > 0, 'blocked', 'not_started'), fingerprint = NULL,
    spent_from = iif(hold_reason = 'budget', :wall, spent_from), hold_reason = NULL, updated_at = :wall
WHERE seq = :task AND status = 'held';

-- name: answer_question
-- Once only, and never of an attempt that asked nothing.
UPDATE attempts SET answer = :answer WHERE id = :attempt AND question IS NOT NULL AND answer IS NULL;

-- name: release_answered
-- Only a task whose question is open. Its budgets stay as they are: a question costs nothing. A new token, so that no old attempt can settle it.
UPDATE tasks
SET status = iif(blockers > 0, 'blocked', 'not_started'), hold_reason = NULL, last_error = NULL,
    lease_token = lease_token + 1, updated_at = :wall
WHERE seq = :task AND status = 'held' AND hold_reason = 'question';

-- name: hold_task
UPDATE tasks SET status = 'held', hold_reason = :reason, due_at = NULL, due_mono = NULL, updated_at = :wall
WHERE seq = :task;

-- name: cancel_task
UPDATE tasks SET status = 'cancelled', stage = NULL, hold_reason = NULL, fingerprint = NULL, due_at = NULL, due_mono = NULL,
       lease_token = lease_token + 1, updated_at = :wall
WHERE seq = :task;

-- name: cause_of_stop
-- What of its last attempt failed, of a task that is failed or held for it.
SELECT p.cause FROM tasks AS t JOIN problems AS p ON p.fingerprint = t.fingerprint WHERE t.seq = :task;

-- name: approve_task
UPDATE tasks SET status = 'completed', hold_reason = NULL, fingerprint = NULL, approved_by = :actor, completed_at = :wall,
       updated_at = :wall
WHERE seq = :task;

-- name: approve_to_land
UPDATE tasks SET status = 'approved', hold_reason = NULL, fingerprint = NULL, approved_at = :wall, approved_by = :actor,
       landing_commit = NULL, updated_at = :wall
WHERE seq = :task;

-- name: prioritize_task
UPDATE tasks SET priority = :priority, updated_at = :wall WHERE seq = :task;

-- name: ids_matching
-- For bulk verbs: bounded, in import order.
SELECT id FROM tasks
WHERE seq > :after AND (:phase IS NULL OR phase = :phase)
  AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
ORDER BY seq LIMIT :limit;

-- ───── bulk actions ─────

-- name: bulk_step
SELECT cursor, done, refused, refusals FROM bulk_steps WHERE control = :control;

-- name: put_bulk_step
-- In the transaction of the tasks that it counts: resuming repeats nothing and skips nothing.
INSERT INTO bulk_steps (control, cursor, done, refused, refusals)
VALUES (:control, :cursor, :done, :refused, :refusals)
ON CONFLICT DO UPDATE SET cursor = excluded.cursor, done = excluded.done, refused = excluded.refused,
    refusals = excluded.refusals;

-- ───── control rows ─────

-- name: add_control
INSERT INTO control (created_at, expires_at, actor, verb, target, argument, attempt_id, idempotency_key)
VALUES (:wall, :expires_at, :actor, :verb, :target, :argument, :attempt_id, :key)
ON CONFLICT (idempotency_key) DO NOTHING;

-- name: set_control_target
-- A request that adds something names it afterwards.
UPDATE control SET target = :target WHERE id = :id;

-- name: control_with_key
SELECT id FROM control WHERE idempotency_key = :key;

-- name: control_row
SELECT id, created_at, expires_at, actor, verb, target, argument, attempt_id, status, handled_by, handled_at, result
FROM control WHERE id = :id;

-- name: controls_pending
SELECT id, created_at, expires_at, actor, verb, target, argument, attempt_id, status, handled_by, handled_at,
    result
FROM control INDEXED BY control_pending WHERE status = 'pending' ORDER BY id LIMIT :limit;

-- name: controls_for_attempt
SELECT id, verb, actor, argument FROM control INDEXED BY control_pending
WHERE status = 'pending' AND attempt_id = :attempt ORDER BY id;

-- name: finish_control
-- Once only: the first who handles a row answers it.
UPDATE control SET status = :status, handled_by = :handled_by, handled_at = :wall, result = :result
WHERE id = :id AND status = 'pending';

-- name: controls_newest
SELECT id, created_at, expires_at, actor, verb, target, argument, attempt_id, status, handled_by, handled_at, result
FROM control WHERE id < :before ORDER BY id DESC LIMIT :limit;

-- ───── what attempts have changed ─────

-- name: keep_change
INSERT INTO changes (attempt, since, base_sha, head_sha, files, file_count, added, deleted, patch, truncated)
VALUES (:attempt, :since, :base_sha, :head_sha, :files, :file_count, :added, :deleted, :patch, :truncated)
ON CONFLICT DO UPDATE SET base_sha = excluded.base_sha, head_sha = excluded.head_sha, files = excluded.files,
    file_count = excluded.file_count, added = excluded.added, deleted = excluded.deleted, patch = excluded.patch,
    truncated = excluded.truncated;

-- name: change_of_attempt
SELECT base_sha, head_sha, files, file_count, added, deleted, patch, truncated FROM changes
WHERE attempt = :attempt AND since = :since;

-- name: change_sizes
SELECT c.attempt, c.file_count, c.added, c.deleted FROM attempts AS a JOIN changes AS c ON c.attempt = a.id
WHERE a.task = :task AND a.kind = 'work' AND c.since = 'base';

-- ───── output ─────

-- name: add_output
INSERT INTO output (session, position, stream, at, data) VALUES (:session, :position, :stream, :wall, :data);

-- name: drop_output_between
-- Whole pieces only: one that reaches past the gap holds what is to be kept.
DELETE FROM output
WHERE session = :session AND position >= :first AND position < :last AND position + length(data) <= :last;

-- name: mark_output_lost
UPDATE sessions SET lost_from = coalesce(lost_from, :lost_from), lost_to = :lost_to, output_bytes = :output_bytes
WHERE id = :session;

-- name: read_output
SELECT position, stream, at, data FROM output INDEXED BY output_in_order
WHERE session = :session AND position >= :from ORDER BY position LIMIT :limit;

-- name: session
SELECT id, attempt, role, name, pid, started_at, ended_at, exit_code, signal, prompt, output_bytes, lost_from, lost_to
FROM sessions WHERE id = :session;

-- name: owner_of_session
SELECT a.task, t.id, a.id, a.worker_id
FROM sessions AS s JOIN attempts AS a ON a.id = s.attempt JOIN tasks AS t ON t.seq = a.task WHERE s.id = :session;

-- name: trim_output
-- Output of completed tasks past its keeping time, a bounded piece per call.
DELETE FROM output WHERE id IN (
    SELECT o.id FROM output AS o JOIN sessions AS s ON s.id = o.session JOIN attempts AS a ON a.id = s.attempt
    JOIN tasks AS t ON t.seq = a.task
    WHERE t.status = 'completed' AND t.completed_at < :before LIMIT :limit);

-- ───── imports ─────

-- name: open_import
INSERT INTO imports (created_at, actor, source, clear, state, pid, pid_start, boot_id, pid_ns, host_id)
VALUES (:wall, :actor, :source, :clear, 'staging', :pid, :pid_start, :boot_id, :pid_ns, :host_id);

-- name: stage
INSERT INTO staged (import, position, body) VALUES (:import, :position, :body);

-- name: move_import
UPDATE imports SET state = :state, summary = coalesce(:summary, summary) WHERE id = :import AND state = :was;

-- name: import_summary
SELECT summary FROM imports WHERE id = :import;

-- name: known_ids
SELECT id FROM tasks;

-- name: unfinished_imports
SELECT id, state FROM imports
WHERE state IN ('staging', 'publishing') ORDER BY id;

-- name: staged_rows
SELECT position, body FROM staged WHERE import = :import AND position > :after ORDER BY position LIMIT :limit;

-- name: drop_staged
DELETE FROM staged WHERE import = :import AND position <= :upto;

-- name: existing_tasks
SELECT t.id, t.seq, t.status, t.open_attempt IS NOT NULL, t.priority, t.chain, d.body
FROM json_each(:ids) AS wanted CROSS JOIN tasks AS t ON t.id = wanted.value JOIN definitions AS d ON d.task = t.seq;

-- name: known_sources
SELECT t.id, t.seq, t.name, d.body ->> '$.source'
FROM tasks AS t JOIN definitions AS d ON d.task = t.seq WHERE t.seq > :after ORDER BY t.seq LIMIT :limit;

-- name: source_paths
SELECT DISTINCT body ->> '$.source.path' FROM definitions WHERE body ->> '$.source.path' IS NOT NULL;

-- name: existing_needs
-- What these tasks need, directly or through others.
WITH RECURSIVE below (seq) AS (
    SELECT t.seq FROM json_each(:ids) AS wanted CROSS JOIN tasks AS t ON t.id = wanted.value
    UNION
    SELECT d.needs FROM below CROSS JOIN dependencies AS d ON d.task = below.seq
)
SELECT t.id, n.id FROM below CROSS JOIN dependencies AS d ON d.task = below.seq
CROSS JOIN tasks AS t ON t.seq = d.task CROSS JOIN tasks AS n ON n.seq = d.needs
ORDER BY d.task, d.needs;

-- name: add_task
INSERT INTO tasks (id, name, phase, type, status, priority, chain, estimated_hours, agent_cli, max_retries, files,
                   blockers, hold_reason, created_at, updated_at, completed_at)
VALUES (:id, :name, :phase, :type, :status, :priority, :chain, :estimated_hours, :agent_cli, :max_retries, :files,
        :blockers, :hold_reason, :wall, :wall, :completed_at);

-- name: put_definition
INSERT INTO definitions (task, body) VALUES (:task, :body) ON CONFLICT DO UPDATE SET body = excluded.body;

-- name: add_dependency
INSERT INTO dependencies (task, needs)
SELECT :task, seq FROM tasks WHERE id = :needs;

-- name: drop_dependencies
DELETE FROM dependencies WHERE task = :task;

-- name: settle_blockers
-- Counts what is not completed and sets ready or blocked accordingly; a running or ended task keeps its status.
UPDATE tasks
SET blockers = (SELECT count(*) FROM dependencies AS d JOIN tasks AS n ON n.seq = d.needs
                WHERE d.task = tasks.seq AND n.status <> 'completed'),
    status = CASE WHEN status NOT IN ('not_started', 'blocked', 'waiting_files') THEN status
                  WHEN EXISTS (SELECT 1 FROM dependencies AS d JOIN tasks AS n ON n.seq = d.needs
                               WHERE d.task = tasks.seq AND n.status <> 'completed') THEN 'blocked'
                  ELSE 'not_started' END
WHERE seq = :task;

-- name: rewrite_task
UPDATE tasks
SET name = :name, phase = :phase, type = :type, priority = :priority, chain = :chain,
    estimated_hours = :estimated_hours, agent_cli = :agent_cli, max_retries = :max_retries, files = :files,
    updated_at = :wall
WHERE seq = :task;

-- name: rechain_task
UPDATE tasks SET chain = :chain WHERE seq = :task;

-- name: chain_of
SELECT chain FROM tasks WHERE seq = :task;

-- name: raise_chain
-- Changes nothing where the chain is as long already.
UPDATE tasks SET chain = :chain WHERE seq = :task AND chain < :chain;

-- name: set_proposer
UPDATE tasks SET proposed_by = :proposer WHERE seq = :task;

-- name: proposals_of
SELECT count(*) FROM tasks INDEXED BY tasks_by_proposer WHERE proposed_by = :task;

-- name: plan_items
-- The items of a plan that tasks came from and that can be ticked in it.
SELECT DISTINCT body ->> '$.source.format', body ->> '$.source.key' FROM definitions
WHERE body ->> '$.source.path' = :path AND body ->> '$.source.tick';

-- name: add_agent_cli
INSERT INTO agent_clis (name) VALUES (:name) ON CONFLICT DO NOTHING;

-- name: delete_tasks_upto
-- A bounded piece of --clear; attempts, sessions, output and dependencies go with their task.
DELETE FROM tasks WHERE seq IN (SELECT seq FROM tasks WHERE seq <= :upto ORDER BY seq LIMIT :limit);

-- name: last_seq
SELECT coalesce(max(seq), 0) FROM tasks;

-- name: any_running
SELECT id FROM tasks INDEXED BY tasks_with_open_attempt WHERE open_attempt IS NOT NULL LIMIT 1;

-- ───── a run of start ─────

-- name: last_attempt_row
-- Attempts are numbered by their row in the order of their claims.
SELECT coalesce(max(rowid), 0) FROM attempts;

-- name: effort_since
-- A retry follows an attempt that failed; one after an interruption, or after a provider's refusal, costs none. An
-- attempt whose landing was refused before the next one began has not passed for the purposes of this count.
SELECT count(*),
       coalesce(sum(a.outcome = 'passed' AND NOT EXISTS (
           SELECT 1 FROM attempts AS l WHERE l.task = a.task AND l.kind = 'landing' AND l.failure_class = 'quality'
             AND l.rowid > a.rowid
             AND l.rowid < coalesce((SELECT b.rowid FROM attempts AS b WHERE b.task = a.task AND b.kind = 'work'
                                     AND b.number = a.number + 1), 9223372036854775807))), 0),
       (SELECT count(*) FROM attempts AS l WHERE l.rowid > :mark AND l.kind = 'landing' AND l.failure_class = 'quality'),
       coalesce(sum(EXISTS (SELECT 1 FROM attempts AS b WHERE b.task = a.task AND b.kind = 'work'
                            AND b.number = a.number - 1 AND b.failure_class IN ('quality', 'crash', 'unreadable'))), 0),
       sum(a.tokens), sum(a.cost_usd)
FROM attempts AS a WHERE a.rowid > :mark AND a.kind = 'work';

-- name: settings_changed_since
SELECT e.task_id, e.message FROM attempts AS a
JOIN events AS e INDEXED BY events_by_task ON e.task = a.task AND e.attempt = a.id
WHERE a.rowid > :mark AND e.type = 'git_settings_changed' ORDER BY e.id LIMIT :limit;

-- name: unfinished_attempts
-- Without those held because their processes cannot be proven dead: no run waits for these.
SELECT count(*) FROM tasks INDEXED BY tasks_with_open_attempt
WHERE open_attempt IS NOT NULL AND NOT (status = 'held' AND hold_reason = 'not_proven_dead');

-- name: agent_clis_left
SELECT name FROM agent_clis AS cli
WHERE EXISTS (SELECT 1 FROM tasks AS t INDEXED BY tasks_for_claim
              WHERE t.status = 'not_started' AND t.open_attempt IS NULL AND t.agent_cli = cli.name)
   OR EXISTS (SELECT 1 FROM tasks AS t INDEXED BY tasks_by_status
              WHERE t.status IN ('scheduled', 'waiting_files') AND t.agent_cli = cli.name);

-- name: troubled_tasks
SELECT id, name, status, hold_reason, last_error FROM tasks INDEXED BY tasks_by_status
WHERE status IN ('failed', 'held') ORDER BY seq LIMIT :limit;

-- name: blocked_tasks
SELECT id, seq FROM tasks INDEXED BY tasks_by_status WHERE status = 'blocked' ORDER BY seq LIMIT :limit;

-- name: agents_named
-- Bounded: the inner query stops after so many unfinished tasks.
SELECT DISTINCT agent_cli, coalesce(json_extract(body, '$.builder_agent'), '') AS builder_agent,
       coalesce(json_extract(body, '$.validator_agent'), '') AS validator_agent,
       json_extract(body, '$.env') IS NOT NULL AS own_env
FROM (SELECT t.agent_cli, d.body FROM tasks AS t INDEXED BY tasks_by_status JOIN definitions AS d ON d.task = t.seq
      WHERE t.status IN ('not_started', 'scheduled', 'claimed', 'in_progress', 'blocked') LIMIT :limit);

-- name: last_uses
-- Bounded: among the latest attempts.
SELECT agent_cli, max(claimed_at) FROM attempts
WHERE rowid > (SELECT coalesce(max(rowid), 0) - :attempts FROM attempts) AND agent_cli IS NOT NULL GROUP BY agent_cli;

-- name: long_descriptions
-- Bounded as above. Only long definitions are read as JSON.
SELECT id, agent_cli, length
FROM (SELECT t.id, t.agent_cli, octet_length(json_extract(d.body, '$.description')) AS length
      FROM tasks AS t INDEXED BY tasks_by_status JOIN definitions AS d ON d.task = t.seq
      WHERE t.status IN ('not_started', 'scheduled', 'claimed', 'in_progress', 'blocked')
        AND octet_length(d.body) > :bytes LIMIT :limit)
WHERE length > :bytes;

-- name: clear_failed_starts
DELETE FROM holds WHERE kind = 'startup';

-- ───── browsing: what the dashboard shows, every statement bounded at any number of tasks ─────

-- name: browse_all
-- The browse_… statements find tasks in import order and give what a search reads; browse_seqs gives what is shown.
SELECT seq, id, name, status, phase, type, priority, worker_id, substr(last_error, 1, 4000), updated_at
FROM tasks WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: browse_status
SELECT seq, id, name, status, phase, type, priority, worker_id, substr(last_error, 1, 4000), updated_at
FROM tasks INDEXED BY tasks_by_status
WHERE status = :status AND seq > :after ORDER BY seq LIMIT :limit;

-- name: browse_problem
SELECT seq, id, name, status, phase, type, priority, worker_id, substr(last_error, 1, 4000), updated_at
FROM tasks INDEXED BY tasks_by_fingerprint
WHERE fingerprint = :fingerprint AND seq > :after ORDER BY seq LIMIT :limit;

-- name: browse_phase
SELECT seq, id, name, status, phase, type, priority, worker_id, substr(last_error, 1, 4000), updated_at
FROM tasks INDEXED BY tasks_by_phase
WHERE phase = :phase AND seq > :after ORDER BY seq LIMIT :limit;

-- name: ids_from
-- For completion: the ids from a text on, by the index of the ids.
SELECT id FROM tasks WHERE id >= :id ORDER BY id LIMIT :limit;

-- name: ids_around
-- For a mistyped id: its neighbours in the index of the ids.
SELECT id FROM (SELECT id FROM tasks WHERE id < :id ORDER BY id DESC LIMIT :limit)
UNION ALL SELECT id FROM (SELECT id FROM tasks WHERE id > :id ORDER BY id LIMIT :limit);

-- name: browse_ids
-- Ids that begin with a text, by the index of the ids.
SELECT seq, id, name, status, phase, type, priority, worker_id, substr(last_error, 1, 4000), updated_at
FROM tasks WHERE id >= :first AND id < :beyond ORDER BY id LIMIT :limit;

-- name: newest_ends
-- The latest changes of tasks by attempts and users, newest first, within a bounded part of the log.
SELECT id, at, type, task, task_id, substr(message, 1, 200) AS message FROM events
WHERE id > (SELECT coalesce(max(id), 0) - :stretch FROM events) AND task IS NOT NULL
  AND type IN ('completed', 'failed', 'held', 'killed')
ORDER BY id DESC LIMIT :limit;

-- name: browse_seqs
-- Short rows for lists: texts are cut, definitions stay where they are.
SELECT seq, id, substr(name, 1, 300) AS name, phase, type, status, stage, priority, estimated_hours, attempt_count,
       worker_id, substr(last_error, 1, 200) AS last_error, hold_reason,
       iif(hold_reason = 'question', (SELECT question FROM attempts AS a WHERE a.task = tasks.seq AND a.kind = 'work'
                                      ORDER BY number DESC LIMIT 1), NULL) AS question,
       (SELECT sum(ended_at - claimed_at) FROM attempts AS a WHERE a.task = tasks.seq AND a.kind = 'work') AS worked_ms,
       (SELECT cause FROM problems AS p WHERE p.fingerprint = tasks.fingerprint) AS cause, blockers, created_at, updated_at, claimed_at,
       started_at, completed_at, due_at
FROM tasks WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: running_shown
SELECT t.id, substr(t.name, 1, 300) AS name, t.phase, t.status, t.stage, t.worker_id, t.claimed_at, t.started_at,
       a.id AS attempt, a.number, a.progress_at
FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL AND t.status IN ('claimed', 'in_progress', 'landing') ORDER BY t.claimed_at LIMIT :limit;

-- name: last_pieces
-- The end of what an attempt's newest session wrote, so many bytes of it and what makes the first piece whole; newest first.
SELECT o.position, o.stream, o.data
FROM (SELECT max(id) AS id FROM sessions WHERE attempt = :attempt) AS s
JOIN output AS o INDEXED BY output_in_order ON o.session = s.id
WHERE o.position >= (
    SELECT coalesce(max(position), 0) FROM output
    WHERE session = s.id AND position <= (SELECT max(position) FROM output WHERE session = s.id) - :bytes)
ORDER BY o.position DESC LIMIT :limit;

-- name: output_end
-- The byte position behind a session's last piece.
SELECT position + length(data) FROM output INDEXED BY output_in_order
WHERE session = :session ORDER BY position DESC LIMIT 1;

-- name: output_piece_at
-- Where the piece begins that holds a byte position, or the one before a gap.
SELECT max(position) FROM output WHERE session = :session AND position <= :at;

-- name: newest_events_of_task
SELECT id, at AS timestamp, type AS event_type, worker_id, message, data
FROM events INDEXED BY events_by_task WHERE task = :task ORDER BY id DESC LIMIT :limit;

-- name: needs_shown
SELECT n.id, substr(n.name, 1, 300) AS name, n.status FROM dependencies AS d JOIN tasks AS n ON n.seq = d.needs
WHERE d.task = :task ORDER BY n.seq LIMIT :limit;

-- name: dependents_shown
SELECT t.id, substr(t.name, 1, 300) AS name, t.status
FROM dependencies AS d INDEXED BY dependencies_by_need JOIN tasks AS t ON t.seq = d.task
WHERE d.needs = :task ORDER BY t.seq LIMIT :limit;

-- name: sessions_shown
-- Without the prompts, which are long.
SELECT id, role, substr(name, 1, 300) AS name, started_at, ended_at, exit_code, signal, resumes, output_bytes, lost_from,
       lost_to, models, tokens, cached_tokens, cost_usd
FROM sessions WHERE attempt = :attempt ORDER BY id DESC LIMIT :limit;

-- name: session_bounds
SELECT ended_at, lost_from, lost_to FROM sessions WHERE id = :session AND attempt = :attempt;

-- name: problem_groups
SELECT fingerprint, cause, sample, failed + held AS tasks, failed, held, attempts, newest_at
FROM problems INDEXED BY problems_by_size WHERE failed + held > 0 ORDER BY failed + held DESC, newest_at DESC LIMIT :limit;

-- name: problem_totals
SELECT count(*), coalesce(sum(failed), 0), coalesce(sum(held), 0) FROM problems INDEXED BY problems_by_size WHERE failed + held > 0;

-- name: problems_failing
-- How many problems have stopped tasks that are failed now.
SELECT count(*) FROM problems INDEXED BY problems_by_size WHERE failed + held > 0 AND failed > 0;

-- name: held_reasons
-- Why tasks are held, among the first so many of them.
SELECT coalesce(hold_reason, ''), count(*)
FROM (SELECT hold_reason FROM tasks INDEXED BY tasks_by_status WHERE status = 'held' ORDER BY seq LIMIT :among)
GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: failed_without_problem
-- Tasks that were imported as failed: no attempt says what went wrong.
SELECT seq, id FROM tasks INDEXED BY tasks_by_status WHERE status = 'failed' AND fingerprint IS NULL ORDER BY seq LIMIT :limit;

-- name: cancelled_in_the_way
-- Cancelled tasks that blocked ones need, among the first so many cancelled ones.
SELECT t.id FROM (SELECT seq, id FROM tasks INDEXED BY tasks_by_status WHERE status = 'cancelled' ORDER BY seq LIMIT :among) AS t
WHERE EXISTS (SELECT 1 FROM dependencies AS d INDEXED BY dependencies_by_need JOIN tasks AS w ON w.seq = d.task
              WHERE d.needs = t.seq AND w.status = 'blocked');

-- name: tasks_with_problem
SELECT id FROM tasks INDEXED BY tasks_by_fingerprint WHERE fingerprint = :fingerprint ORDER BY seq LIMIT :limit;

-- name: failed_with_problem
-- One failed task that this problem has stopped; held ones have it, too.
SELECT seq FROM tasks INDEXED BY tasks_by_fingerprint WHERE fingerprint = :fingerprint AND status = 'failed' ORDER BY seq LIMIT 1;

-- name: blocked_by_problem
-- Bounded: a problem can stop any number of tasks.
SELECT count(DISTINCT d.task)
FROM (SELECT seq FROM tasks INDEXED BY tasks_by_fingerprint WHERE fingerprint = :fingerprint ORDER BY seq LIMIT 100) AS t
JOIN dependencies AS d INDEXED BY dependencies_by_need ON d.needs = t.seq
JOIN tasks AS w ON w.seq = d.task WHERE w.status = 'blocked';

-- name: has_landed
-- Whether work of a task has landed, now or before it was run again.
SELECT EXISTS (SELECT 1 FROM attempts WHERE task = :task AND kind = 'landing' AND outcome = 'passed');

-- name: tasks_behind
-- How many tasks depend on a task, directly or not; bounded, as one can have any number of them.
WITH RECURSIVE behind (task) AS (
    SELECT task FROM dependencies INDEXED BY dependencies_by_need WHERE needs = :task
    UNION
    SELECT d.task FROM behind AS b JOIN dependencies AS d INDEXED BY dependencies_by_need ON d.needs = b.task
    LIMIT :limit)
SELECT count(*) FROM behind;

-- name: phases
SELECT DISTINCT phase FROM counters WHERE tasks > 0 AND phase <> '' ORDER BY phase LIMIT :limit;

-- ───── pictures: what the dashboard draws ─────

-- name: attempts_before
-- Tries from the newest claim back: who reads on stops once it is behind the time that it draws.
SELECT rowid AS number_of_all, task, kind, number, worker_id, claimed_at, ended_at, outcome, failure_class
FROM attempts WHERE rowid < :before ORDER BY rowid DESC LIMIT :limit;

-- name: attempts_open
-- Attempts that are running, however long ago they began: as many as there are workers.
SELECT a.rowid AS number_of_all, a.task, a.kind, a.number, a.worker_id, a.claimed_at, a.ended_at, a.outcome,
       a.failure_class
FROM tasks AS t INDEXED BY tasks_with_open_attempt JOIN attempts AS a ON a.id = t.open_attempt
WHERE t.open_attempt IS NOT NULL ORDER BY a.rowid;

-- name: tasks_drawn
SELECT seq, id, status, attempt_count FROM tasks WHERE seq IN (SELECT value FROM json_each(:seqs));

-- name: sessions_drawn
-- The position of each session within its attempt.
SELECT a.rowid AS number_of_all, s.role, s.started_at, s.ended_at
FROM attempts AS a JOIN sessions AS s INDEXED BY sessions_by_attempt ON s.attempt = a.id
WHERE a.rowid IN (SELECT value FROM json_each(:attempts)) ORDER BY s.id;

-- name: neighbours
-- Links that touch any of some tasks, from either side; the limit holds for a task that a hundred thousand wait for.
SELECT task, needs FROM (
    SELECT task, needs FROM dependencies WHERE task IN (SELECT value FROM json_each(:seqs)) LIMIT :limit)
UNION
SELECT task, needs FROM (
    SELECT task, needs FROM dependencies INDEXED BY dependencies_by_need
    WHERE needs IN (SELECT value FROM json_each(:seqs)) LIMIT :limit);

-- name: links_within
SELECT d.task, d.needs FROM json_each(:seqs) AS own JOIN dependencies AS d ON d.task = own.value
WHERE d.needs IN (SELECT value FROM json_each(:seqs)) LIMIT :limit;

-- name: graph_tasks
-- What the graph shows of a task, and whether links lead out of what it shows; each look stops at the first such link.
SELECT t.seq, t.id, substr(t.name, 1, 120) AS name, t.phase, t.status, t.stage, t.estimated_hours, t.claimed_at,
       EXISTS (SELECT 1 FROM dependencies AS d WHERE d.task = t.seq
               AND d.needs NOT IN (SELECT value FROM json_each(:seqs))) AS needs_more,
       EXISTS (SELECT 1 FROM dependencies AS d INDEXED BY dependencies_by_need WHERE d.needs = t.seq
               AND d.task NOT IN (SELECT value FROM json_each(:seqs))) AS frees_more
FROM tasks AS t WHERE t.seq IN (SELECT value FROM json_each(:seqs)) ORDER BY t.seq;

-- name: phase_links
-- Which phases a phase needs, seen from its first tasks.
SELECT n.phase, count(*) FROM (
    SELECT seq FROM tasks INDEXED BY tasks_by_phase WHERE phase = :phase ORDER BY seq LIMIT :limit) AS own
JOIN dependencies AS d ON d.task = own.seq JOIN tasks AS n ON n.seq = d.needs
WHERE n.phase <> :phase GROUP BY n.phase;

-- name: tasks_at_work
-- Where a graph that is too large to be shown whole begins: what runs, then what has stopped.
SELECT seq FROM (SELECT seq FROM tasks INDEXED BY tasks_with_open_attempt WHERE open_attempt IS NOT NULL LIMIT :limit)
UNION ALL
SELECT seq FROM (SELECT seq FROM tasks INDEXED BY tasks_by_status WHERE status = 'failed' ORDER BY seq DESC LIMIT :limit)
UNION ALL
SELECT seq FROM (SELECT seq FROM tasks INDEXED BY tasks_by_status WHERE status = 'held' ORDER BY seq DESC LIMIT :limit)
UNION ALL
SELECT seq FROM (SELECT seq FROM tasks INDEXED BY tasks_by_status WHERE status = 'not_started' ORDER BY seq LIMIT :limit)
LIMIT :limit;

-- ───── reaper ─────

-- name: signs_of_life
-- What a living worker renews: its lease, and its agent's progress.
SELECT w.lease_until_mono, a.progress_mono FROM attempts AS a JOIN workers AS w ON w.run = a.run WHERE a.id = :attempt;

-- name: override_ending
-- A user's request about an attempt that is being ended for another reason.
UPDATE attempts SET fenced_as = :fenced_as WHERE id = :attempt AND ended_at IS NULL AND fenced_at IS NOT NULL;

-- name: task_and_ending
SELECT t.status, a.fenced_as FROM attempts AS a JOIN tasks AS t ON t.seq = a.task WHERE a.id = :attempt;

-- name: newest_attempt_of
-- The task's newest attempt, with what became of it and of the task.
SELECT a.id, a.number, a.ended_at, a.outcome, a.error, t.status FROM tasks AS t JOIN attempts AS a ON a.task = t.seq
WHERE t.id = :id ORDER BY a.rowid DESC LIMIT 1;

-- name: is_keeper
-- Rare and small: one row per start of a worker.
SELECT 1 FROM workers WHERE keeper_pid = :keeper_pid AND keeper_start = :keeper_start AND boot_id = :boot_id LIMIT 1;

-- name: prolong_control
-- Refreshes a row during long work, so that it is not taken for abandoned.
UPDATE control SET expires_at = :expires_at, handled_by = :handled_by
WHERE id = :id AND status = 'pending' AND expires_at < :expires_at;

-- name: amend_control
UPDATE control SET argument = :argument WHERE id = :id;

-- name: keep_request_text
-- A repeated idempotency key may name a request that is done, whose text would never be deleted, or another verb.
INSERT OR IGNORE INTO request_texts (control, body)
SELECT id, :body FROM control WHERE id = :id AND status = 'pending' AND verb = 'import';

-- name: request_text
SELECT body FROM request_texts WHERE control = :id;

-- name: control_is_pending
SELECT 1 FROM control WHERE id = :id AND status = 'pending';

-- name: control_landings
SELECT id, created_at, expires_at, actor, verb, target, argument, attempt_id, status, handled_by, handled_at, result
FROM control WHERE verb = 'land' ORDER BY id DESC LIMIT :limit;

-- name: aim_control
-- A row that was written just before its task was claimed; once aimed, its worker carries it out.
UPDATE control SET attempt_id = :attempt WHERE id = :id AND status = 'pending' AND attempt_id IS NULL;

-- ───── the command line: why, doctor ─────

-- name: agent_cli_names
-- Every agent CLI that a task names; the empty name is the workers' default.
SELECT name FROM agent_clis ORDER BY name;

-- name: engine_version
SELECT sqlite_version();

-- name: damage
-- One row that says ok, or the first things that are wrong; reads the whole file.
PRAGMA quick_check(20);

-- ───── landing ─────

-- name: anything_to_land
-- A cheap look before a claim takes the write lock.
SELECT 1 WHERE EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_to_land WHERE status = 'approved')
    AND NOT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_landing WHERE status = 'landing');

-- name: claim_landing
-- The task that was approved first and has to wait for no other's turn, if none is landing; fenced as a claim is.
UPDATE tasks
SET status = 'landing', stage = 'preparing', lease_token = lease_token + 1, open_attempt = :attempt,
    worker_id = :worker_id, updated_at = :wall
WHERE seq = (SELECT t.seq FROM tasks AS t INDEXED BY tasks_to_land
             WHERE t.status = 'approved' AND t.open_attempt IS NULL
               AND (NOT EXISTS (SELECT 1 FROM turns) OR NOT EXISTS (
                   SELECT 1 FROM landing_waits AS w
                   WHERE w.task = t.seq AND :wall < w.until_at AND w.until_at <= :wall + :turn_ms))
             ORDER BY t.approved_at, t.seq LIMIT 1)
  AND status = 'approved' AND open_attempt IS NULL
  AND NOT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_landing WHERE status = 'landing')
RETURNING seq, id, name, lease_token, landing_commit;

-- name: next_to_land
-- Approved tasks with the work that would land, in the order of their claims.
SELECT t.seq, t.id, t.name, a.id, a.head_sha FROM tasks AS t INDEXED BY tasks_to_land
JOIN attempts AS a ON a.id = (SELECT w.id FROM attempts AS w WHERE w.task = t.seq AND w.kind = 'work'
                              ORDER BY w.number DESC LIMIT 1)
WHERE t.status = 'approved' AND t.open_attempt IS NULL AND a.head_sha IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM landing_waits AS w
                  WHERE w.task = t.seq AND w.until_at BETWEEN :wall + 1 AND :wall + :turn_ms)
ORDER BY t.approved_at, t.seq LIMIT :limit;

-- name: note_gate_pass
INSERT OR REPLACE INTO gate_passes (tree, gate, tasks, at) VALUES (:tree, :gate, :tasks, :wall);

-- name: forget_gate_passes
DELETE FROM gate_passes WHERE at < :before;

-- name: gate_pass
SELECT tasks FROM gate_passes WHERE tree = :tree AND gate = :gate;

-- name: waits_for_turn
-- The task whose turn an approved task waits for, a path that both change, and until when at most.
SELECT h.id, w.path, w.until_at FROM landing_waits AS w JOIN tasks AS h ON h.seq = w.holder
WHERE w.task = :task AND :wall < w.until_at AND w.until_at <= :wall + :turn_ms
ORDER BY w.until_at, w.holder, w.path LIMIT 1;

-- name: give_turn
-- The paths that the task's newest work changes; given anew, its time begins with the next claim.
INSERT INTO turns (task, path)
SELECT DISTINCT :task, path FROM (
    SELECT f.value ->> '$.path' AS path FROM changes AS c JOIN json_each(c.files) AS f
    WHERE c.since = 'base' AND c.attempt = (SELECT a.id FROM attempts AS a WHERE a.task = :task AND a.kind = 'work'
                                            ORDER BY a.number DESC LIMIT 1)
    UNION
    SELECT f.value ->> '$.old_path' FROM changes AS c JOIN json_each(c.files) AS f
    WHERE c.since = 'base' AND c.attempt = (SELECT a.id FROM attempts AS a WHERE a.task = :task AND a.kind = 'work'
                                            ORDER BY a.number DESC LIMIT 1))
WHERE path IS NOT NULL
ON CONFLICT DO UPDATE SET until_at = NULL;

-- name: turn_in_the_way
-- A running task with a turn, for which another task with a turn waits before it is built again: both change a file.
SELECT other.task FROM turns AS own
JOIN turns AS other INDEXED BY turns_by_path ON other.path = own.path AND other.task <> own.task
JOIN tasks AS holder ON holder.seq = other.task
WHERE own.task = :task AND (holder.open_attempt IS NOT NULL OR holder.status IN ('approved', 'landing'))
  AND :wall < other.until_at AND other.until_at <= :wall + :turn_ms
ORDER BY other.until_at, other.task LIMIT 1;

-- name: start_turn
-- Once: a further attempt does not prolong it.
UPDATE turns SET until_at = :wall + :turn_ms WHERE task = :task AND until_at IS NULL;

-- name: open_landing
-- A separate kind of attempt, so that death, kill and cancel of a lander are handled as those of any worker.
INSERT INTO attempts (id, task, kind, number, token, run, worker_id, claimed_at, started_at, progress_at, progress_mono,
                      base_sha, head_sha)
SELECT :attempt, :task, 'landing', 1 + (SELECT count(*) FROM attempts WHERE task = :task AND kind = 'landing'), :token,
       :run, :worker_id, :wall, :wall, :wall, :mono, a.base_sha, a.head_sha
FROM attempts AS a WHERE a.task = :task AND a.kind = 'work' ORDER BY a.number DESC LIMIT 1;

-- name: mark_landing
-- What a settled attempt leaves for the landing queue.
UPDATE tasks
SET approved_at = iif(:status = 'approved', coalesce(approved_at, :wall), NULL), landing_failures = :landing_failures,
    landing_unresolved = :landing_unresolved,
    landing_commit = iif(:forget, NULL, landing_commit), approved_by = iif(:forget, NULL, approved_by)
WHERE seq = :task;

-- name: rank_to_land
SELECT count(*) FROM tasks AS t INDEXED BY tasks_to_land JOIN tasks AS own ON own.seq = :task
WHERE t.status = 'approved' AND (t.approved_at, t.seq) < (own.approved_at, own.seq);

-- name: note_head
-- Fenced; what the checks, the validator and the lander read, whatever is written later.
UPDATE attempts SET base_sha = :base_sha, head_sha = :head_sha, given_tip = :given_tip
WHERE id = :attempt AND ended_at IS NULL
  AND EXISTS (SELECT 1 FROM tasks WHERE seq = :task AND lease_token = :token AND open_attempt = :attempt);

-- name: pass_point_of_no_return
-- Fenced, and never past a user's open request.
UPDATE tasks SET landing_commit = :commit, updated_at = :wall
WHERE seq = :task AND lease_token = :token AND open_attempt = :attempt
  AND NOT EXISTS (SELECT 1 FROM control INDEXED BY control_pending
                  WHERE status = 'pending' AND attempt_id = :attempt);

-- name: safe_id_of
SELECT safe_id FROM tasks WHERE seq = :task;

-- name: task_with_safe_id
SELECT seq FROM tasks INDEXED BY tasks_by_safe_id WHERE safe_id = :name COLLATE NOCASE;

-- name: give_safe_id
-- Once: branch and folder of a task keep their name.
UPDATE tasks SET safe_id = :name WHERE seq = :task AND safe_id IS NULL;

-- name: safe_ids
SELECT safe_id, id, status, landing_commit FROM tasks INDEXED BY tasks_by_safe_id
WHERE safe_id IS NOT NULL ORDER BY safe_id;

-- name: completed_among
-- Those of some safe ids whose tasks have landed.
SELECT safe_id FROM tasks INDEXED BY tasks_by_safe_id
WHERE safe_id COLLATE NOCASE IN (SELECT value FROM json_each(:names)) AND status = 'completed' ORDER BY safe_id;

-- name: history_of
-- Attempts that have ended, landings too, in the order of their starts.
SELECT a.*, s.name AS builder_agent, s.resumes AS resumed_session_id,
       (SELECT group_concat(DISTINCT models) FROM sessions WHERE attempt = a.id) AS models
FROM attempts AS a
LEFT JOIN sessions AS s ON s.id = (SELECT max(id) FROM sessions WHERE attempt = a.id AND role = 'builder')
WHERE a.task = :task AND a.ended_at IS NOT NULL ORDER BY a.rowid;

-- name: all_attempts_of
-- As attempts_of, with the attempts at landing, in the order of their beginning.
SELECT a.*, s.name AS builder_agent, s.resumes AS resumed_session_id,
       (SELECT group_concat(DISTINCT models) FROM sessions WHERE attempt = a.id) AS models
FROM attempts AS a
LEFT JOIN sessions AS s ON s.id = (SELECT max(id) FROM sessions WHERE attempt = a.id AND role = 'builder')
WHERE a.task = :task ORDER BY a.rowid;

-- name: checks_with_problem
-- The check results of the newest attempt with a problem, among the attempts of one task.
SELECT a.check_results FROM attempts AS a JOIN tasks AS t ON t.seq = a.task
WHERE t.id = :id AND a.fingerprint = :fingerprint ORDER BY a.rowid DESC LIMIT 1;

-- name: integration
SELECT repository, ref, person_ref, tip, next_tip, state FROM integration;

-- name: adopt_integration
INSERT INTO integration (one, repository, ref, person_ref, tip) VALUES (1, :repository, :ref, :person_ref, :tip)
ON CONFLICT DO UPDATE SET repository = excluded.repository, ref = excluded.ref, person_ref = excluded.person_ref,
    tip = excluded.tip, next_tip = NULL, state = 'following'
WHERE repository <> excluded.repository OR ref <> excluded.ref;

-- name: follow_person
UPDATE integration SET person_ref = :person_ref;

-- name: intend_tip
-- Before the branch moves, so that a later reader of the moved branch knows that we moved it.
UPDATE integration SET next_tip = :new WHERE tip = :old;

-- name: note_tip
UPDATE integration SET tip = :tip, next_tip = NULL, state = 'following';

-- name: stop_integration
UPDATE integration SET state = 'stopped';

-- name: accept_integration
-- The user has fixed what stopped it: wherever the branch is found next, it was put there on purpose.
UPDATE integration SET state = 'accepting' WHERE state = 'stopped';

-- name: has_turn
SELECT 1 FROM turns WHERE task = :task LIMIT 1;

-- name: landing_failures
SELECT landing_failures FROM tasks WHERE seq = :task;

-- ───── the pulse of the swarm: figures of bounded cost for strips and alerts ─────

-- name: oldest_ready
-- Since when the longest waiting of the first ready tasks in import order has been ready.
SELECT min(updated_at) FROM (SELECT updated_at FROM tasks INDEXED BY tasks_by_status
                             WHERE status = 'not_started' ORDER BY seq LIMIT :limit);

-- name: recent_ends
-- How attempts ended since a time, among a bounded stretch of the last ones; what users cut short is no failure.
SELECT count(*), coalesce(sum(outcome = 'failed'), 0) FROM attempts
WHERE rowid > (SELECT coalesce(max(rowid), 0) - :stretch FROM attempts) AND ended_at >= :since AND kind = 'work'
  AND (outcome = 'passed' OR failure_class IN ('quality', 'crash', 'unreadable'));

-- name: attempts_of_completed
-- Attempts that were made for tasks that are completed, and how many tasks these are.
SELECT count(*), count(DISTINCT a.task) FROM attempts AS a JOIN tasks AS t ON t.seq = a.task
WHERE t.status = 'completed' AND a.kind = 'work';

-- name: spend
SELECT agent_cli, attempts, tokens, cost_usd FROM spend ORDER BY agent_cli;

-- name: landing_age
-- When the first task passed that has not landed, the one that is being landed included; and how many wait.
SELECT (SELECT min(approved_at) FROM (
            SELECT min(approved_at) AS approved_at FROM tasks INDEXED BY tasks_to_land WHERE status = 'approved'
            UNION ALL SELECT approved_at FROM tasks INDEXED BY tasks_landing WHERE status = 'landing')),
       (SELECT coalesce(sum(tasks), 0) FROM counters WHERE status = 'approved');

-- name: late_to_land
-- The task that has waited longest, if that is too long and was not reported since it passed.
SELECT t.seq, t.id, t.approved_at FROM (
    SELECT seq, id, approved_at FROM tasks INDEXED BY tasks_landing WHERE status = 'landing'
    UNION ALL
    SELECT seq, id, approved_at FROM (SELECT seq, id, approved_at FROM tasks INDEXED BY tasks_to_land
                                      WHERE status = 'approved' ORDER BY approved_at, seq LIMIT 1)
    ORDER BY approved_at LIMIT 1) AS t
WHERE t.approved_at < :before
  AND NOT EXISTS (SELECT 1 FROM events AS e INDEXED BY events_by_task
                  WHERE e.task = t.seq AND e.type = 'landing_late' AND e.at >= t.approved_at);

-- ───── the landing queue, for display ─────

-- name: waiting_to_land
-- In the order of their turns.
SELECT id, substr(name, 1, 300) AS name, approved_at, landing_failures
FROM tasks INDEXED BY tasks_to_land WHERE status = 'approved' ORDER BY approved_at, seq LIMIT :limit;

-- name: being_landed
SELECT t.id, substr(t.name, 1, 300) AS name, t.worker_id, a.claimed_at, t.approved_at, t.landing_failures,
       t.landing_commit IS NOT NULL AS is_past_return
FROM tasks AS t INDEXED BY tasks_landing JOIN attempts AS a ON a.id = t.open_attempt WHERE t.status = 'landing';

-- name: recent_landings
-- What has landed or was refused, newest first, among a bounded stretch of the log.
SELECT e.id, e.at, e.type, e.task_id, substr(e.message, 1, 400) AS message, e.data, substr(t.name, 1, 300) AS name
FROM events AS e LEFT JOIN tasks AS t ON t.seq = e.task
WHERE e.id > (SELECT coalesce(max(id), 0) - :stretch FROM events) AND e.type IN ('landed', 'landing_failed')
ORDER BY e.id DESC LIMIT :limit;

-- name: journal_mode
PRAGMA journal_mode;

-- ───── notifications ─────

-- name: add_to_outbox
INSERT INTO outbox (key, target, label, created_at, due_at, notices, counts)
VALUES (:key, :target, :label, :wall, :due_at, :notices, :counts);

-- name: growing_message
-- The message of a target that is not being sent yet: later notices join it.
SELECT key, notices, counts FROM outbox INDEXED BY outbox_unsent
WHERE target = :target AND ended_at IS NULL AND status = 'waiting' AND tries = 0 ORDER BY id LIMIT 1;

-- name: grow_message
UPDATE outbox SET notices = :notices, counts = :counts, due_at = min(due_at, :due_at)
WHERE key = :key AND status = 'waiting' AND tries = 0;

-- name: last_sent_at
SELECT max(ended_at) FROM outbox WHERE target = :target AND status = 'sent';

-- name: unsent_messages
-- The oldest of each target: a target gets one after the other.
SELECT min(id) AS id, target, key, label, due_at, status, tries, pid, pid_start, boot_id, pid_ns, host_id
FROM outbox INDEXED BY outbox_unsent WHERE ended_at IS NULL GROUP BY target;

-- name: message_row
SELECT key, target, label, status, due_at, notices, counts, tries, pid, pid_start, boot_id, pid_ns, host_id
FROM outbox WHERE key = :key;

-- name: take_message
-- Of all processes that want to send it, one gets it: the row must be as it was read.
UPDATE outbox SET status = 'sending', tries = tries + 1, due_at = :due_at, pid = :pid, pid_start = :pid_start,
    boot_id = :boot_id, pid_ns = :pid_ns, host_id = :host_id
WHERE key = :key AND tries = :tries AND status IN ('waiting', 'sending');

-- name: settle_message
UPDATE outbox SET status = :status, error = :error, due_at = coalesce(:due_at, due_at), ended_at = :ended_at,
    pid = NULL, pid_start = NULL, boot_id = NULL, pid_ns = NULL, host_id = NULL
WHERE key = :key AND status = 'sending' AND pid = :pid AND pid_start = :pid_start AND boot_id = :boot_id;

-- name: give_up_message
-- One that no process sends now.
UPDATE outbox SET status = 'given_up', error = :error, ended_at = :wall,
    pid = NULL, pid_start = NULL, boot_id = NULL, pid_ns = NULL, host_id = NULL
WHERE key = :key AND tries = :tries AND status IN ('waiting', 'sending');

-- name: fresh_messages
SELECT count(*) FROM outbox INDEXED BY outbox_unsent
WHERE ended_at IS NULL AND (status = 'sending' OR due_at <= :wall) AND tries <= 1;

-- name: outbox_counts
SELECT status, count(*) FROM outbox GROUP BY status;

-- name: outbox_newest
SELECT id, key, label, status, created_at, due_at, notices, counts, tries, error, ended_at
FROM outbox ORDER BY id DESC LIMIT :limit;

-- name: given_up_since
-- Targets whose last message was given up, each with its last error.
SELECT label, max(ended_at), error, (SELECT count(*) FROM outbox AS c WHERE c.target = o.target AND c.status = 'given_up')
FROM outbox AS o
WHERE status = 'given_up' AND ended_at >= :since
  AND NOT EXISTS (SELECT 1 FROM outbox AS s WHERE s.target = o.target AND s.status = 'sent' AND s.id > o.id)
GROUP BY target ORDER BY label;

-- name: prune_outbox
DELETE FROM outbox WHERE status IN ('sent', 'given_up') AND ended_at < :before;

-- name: conditions
SELECT name, since_at, reported FROM conditions;

-- name: put_condition
INSERT INTO conditions (name, since_at, reported) VALUES (:name, :since_at, :reported)
ON CONFLICT DO UPDATE SET since_at = excluded.since_at, reported = excluded.reported;

-- name: drop_condition
DELETE FROM conditions WHERE name = :name;

-- name: stopped_tasks
-- Of some tasks those that are failed or held now.
SELECT id, status, hold_reason FROM tasks
WHERE id IN (SELECT value FROM json_each(:ids)) AND status IN ('failed', 'held');

-- name: landing_state
SELECT ref, state FROM integration;

-- ───── the report ─────

-- name: report_tasks
-- Each task with what its attempts took; in import order. The cost of an attempt is incomplete if one of its sessions
-- reported none.
SELECT t.id, substr(t.name, 1, 200), t.phase, t.status, t.hold_reason, substr(t.last_error, 1, 600), t.completed_at,
       t.landing_commit, coalesce(a.attempts, 0), coalesce(a.retries, 0), coalesce(a.refused, 0), a.busy_ms, a.tokens,
       a.cost_usd, coalesce(a.costless, 0)
FROM tasks AS t LEFT JOIN (
    SELECT task, sum(kind = 'work') AS attempts,
           sum(kind = 'work' AND failure_class IN ('quality', 'crash', 'unreadable')) AS retries,
           sum(kind = 'landing' AND failure_class = 'quality') AS refused,
           sum(ended_at - claimed_at) AS busy_ms, sum(tokens) AS tokens, sum(cost_usd) AS cost_usd,
           sum(kind = 'work' AND started_at IS NOT NULL AND ended_at IS NOT NULL AND (cost_usd IS NULL OR EXISTS (
               SELECT 1 FROM sessions AS s INDEXED BY sessions_by_attempt
               WHERE s.attempt = attempts.id AND s.role <> 'check' AND s.ended_at IS NOT NULL AND s.cost_usd IS NULL
           ))) AS costless
    FROM attempts GROUP BY task) AS a ON a.task = t.seq
ORDER BY t.seq;

-- name: report_span
SELECT min(claimed_at), max(coalesce(ended_at, :wall)) FROM attempts;

-- name: report_ends
-- When work ended: passed attempts of landed tasks count at the task's completion.
SELECT ended_at FROM attempts WHERE kind = 'work' AND outcome = 'failed'
    AND failure_class IN ('quality', 'crash', 'unreadable') ORDER BY ended_at;

-- name: report_problems
SELECT p.cause, p.sample, p.attempts, count(DISTINCT a.task)
FROM (SELECT * FROM problems WHERE (cause = 'validator') = :objections ORDER BY attempts DESC, newest_at DESC LIMIT :limit)
    AS p
JOIN attempts AS a ON a.fingerprint = p.fingerprint
GROUP BY p.fingerprint ORDER BY p.attempts DESC, p.newest_at DESC;

-- name: report_classes
SELECT failure_class, count(*) FROM attempts WHERE failure_class IS NOT NULL GROUP BY failure_class;

-- name: report_blocked
-- Blocked tasks and what they need that has ended otherwise than completed, or is itself blocked.
SELECT t.id, n.id FROM tasks AS t INDEXED BY tasks_by_status
JOIN dependencies AS d ON d.task = t.seq
JOIN tasks AS n ON n.seq = d.needs AND n.status <> 'completed'
WHERE t.status = 'blocked' ORDER BY t.seq, n.seq;

-- ───── commands that notify the source of a task ─────

-- name: reset_syncs
-- Of a process that was killed in the middle.
UPDATE syncs SET status = 'waiting' WHERE status = 'running';

-- name: due_sync
SELECT s.task, t.id, s.tries, d.body ->> '$.source.key', d.body ->> '$.source.path'
FROM syncs AS s INDEXED BY syncs_open JOIN tasks AS t ON t.seq = s.task JOIN definitions AS d ON d.task = s.task
WHERE s.ended_at IS NULL AND s.status = 'waiting' AND s.due_at <= :wall ORDER BY s.due_at, s.task LIMIT 1;

-- name: take_sync
UPDATE syncs SET status = 'running', tries = tries + 1 WHERE task = :task AND status = 'waiting';

-- name: settle_sync
UPDATE syncs SET status = :status, due_at = :due_at, error = :error, ended_at = :ended_at
WHERE task = :task AND status = 'running';
