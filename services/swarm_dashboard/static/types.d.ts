// The payloads of the JSON interface, for the type checker only; a test compares them with what the server sends.
// Times are ISO 8601 in UTC unless a name says otherwise (`_s` is seconds).

declare namespace Api {
  interface Amount {
    count: number;
    hours: number;
  }

  interface Counters {
    not_started: Amount;
    in_progress: Amount;
    completed: Amount;
    failed: Amount;
    held: Amount;
    cancelled: Amount;
    total: Amount;
  }

  interface Status {
    tasks: Counters;
    by_status: Record<string, number>;
    progress: number;
    remaining_hours: number;
    eta_s: number | null;
    eta_basis: EtaBasis;
    stalled: string | null;
    stuck: number;
    paused: boolean;
    isolation: string | null;
    lands_on: string | null;
    flags: Flag[];
    routes: Route[];
    budget: Budget;
    holds: Hold[];
    pulse: Pulse;
    workers: Worker[];
    running: Running[];
    obstacles: Finding[];
    needs: NeedCounts;
    needs_you: Listed[];
    just_failed: Listed[];
    just_finished: Listed[];
    services: Record<string, Service>;
    seq: number;
    now: string;
    /** Only over HTTP, not over the socket. */
    auth?: string;
    database?: string;
  }

  interface EtaBasis {
    passes: number;
    workers: number;
  }

  interface Flag {
    name: string;
    set_at: string;
    actor: string;
    reason: string | null;
  }

  interface Hold {
    route: string;
    agent_cli: string;
    kind: string;
    reason: string;
    since: string;
    until: string | null;
  }

  interface Route {
    role: string;
    name: string;
    agent_cli: string;
    model: string;
    account: string;
    tier: number | null;
    state: string;
    in_use: boolean;
    running: number;
    limit: number | null;
    kind: string | null;
    /** The kind in words. */
    cause: string | null;
    reason: string | null;
    until: string | null;
    usd: number | null;
    tokens: number | null;
  }

  interface Cap {
    scope: string;
    unit: string;
    used: number;
    cap: number;
    share: number;
  }

  interface TaskCap extends Cap {
    task: string;
  }

  interface Spent {
    usd: number;
    tokens: number;
    minutes: number;
    sessions: number;
    unpriced: number;
    uncounted: number;
    since: string | null;
  }

  interface Budget {
    run: Spent;
    day: Spent;
    caps: Cap[];
    task_caps: Record<string, number>;
    /** Of the tasks that run, the nearest to their caps first. */
    tasks: TaskCap[];
    hard: boolean;
    usd_last_hour: number | null;
  }

  interface Pulse {
    oldest_ready_at: string | null;
    failing: Failing;
    spend: Spend | null;
  }

  interface Failing {
    ended: number;
    failed: number;
    rate: number | null;
    window_s: number;
  }

  interface Spend {
    cost_usd: number;
    tokens: number;
    attempts: number;
  }

  interface Worker {
    run: number;
    worker_id: string;
    pid: number;
    hostname: string;
    status: string;
    started_at: string;
    stopped_at: string | null;
    last_heartbeat: string;
    current_task_id: string | null;
    stage: string | null;
    reason: string | null;
    wanted: string | null;
    attempt: string | null;
    tree_rss_bytes: number | null;
    tree_cpu_share: number | null;
    tree_processes: number | null;
    tasks_completed: number;
    tasks_failed: number;
    restarts: number;
    heartbeat_age_s: number;
    alive: boolean;
  }

  interface Running {
    id: string;
    name: string;
    phase: string;
    status: string;
    stage: string | null;
    worker_id: string;
    claimed_at: string;
    started_at: string | null;
    attempt: string;
    number: number;
    progress_at: string | null;
    last_line: string;
    group: string;
    verbs: string[];
  }

  interface NeedCounts {
    failed: number;
    failing: number;
    held: number;
    holding: number;
    cancelled: number;
    total: number;
    causes: number;
    notices: number;
    groups: number;
  }

  /** Failed tasks that stopped for the same cause; imported ones have a number alone. */
  interface Alike {
    failed: number;
    tasks?: number;
    held?: number;
    fingerprint?: string;
    cause?: string;
    sample?: string;
    attempts?: number;
    newest_at?: string;
  }

  interface Listed {
    id: string;
    name: string;
    status: string;
    group: string;
    phase: string;
    last_error: string | null;
    hold_reason: string | null;
    question: string | null;
    message: string | null;
    at: string;
    attempt_count: number;
    /** Only in `needs_you`. */
    alike?: Alike | null;
    verbs: string[];
  }

  interface Service {
    started_at: string;
    seen_at: string | null;
    stopped_at: string | null;
  }

  interface TaskRow {
    seq: number;
    id: string;
    name: string;
    phase: string;
    type: string;
    status: string;
    stage: string | null;
    priority: string | number;
    estimated_hours: number | null;
    attempt_count: number;
    worker_id: string | null;
    last_error: string | null;
    hold_reason: string | null;
    question: string | null;
    worked_ms: number | null;
    cause: string | null;
    blockers: number;
    created_at: string;
    updated_at: string;
    claimed_at: string | null;
    started_at: string | null;
    completed_at: string | null;
    due_at: string | null;
    group: string;
    verbs: string[];
  }

  interface TaskPage {
    tasks: TaskRow[];
    total: number | null;
    limit: number;
    cursor: number | null;
    looked_at: number | null;
  }

  interface Link {
    id: string;
    name: string;
    status: string;
    group: string;
  }

  interface Task {
    id: string;
    name: string;
    phase: string;
    type: string;
    status: string;
    group: string;
    stage: string | null;
    priority: string | number;
    estimated_hours: number | null;
    description: string;
    acceptance_criteria: string[];
    files: string[];
    design_docs: string[];
    dependencies: string[];
    worker_id: string | null;
    attempt_count: number;
    max_retries: number | null;
    last_error: string | null;
    hold_reason: string | null;
    question: string | null;
    cause: string | null;
    fingerprint: string | null;
    note: string | null;
    failures: number;
    crashes: number;
    landing_failures: number;
    landing_unresolved: number;
    blockers: number;
    safe_id: string | null;
    approved_by: string | null;
    has_landed: boolean;
    seq: number;
    created_at: string;
    updated_at: string;
    claimed_at: string | null;
    started_at: string | null;
    approved_at: string | null;
    completed_at: string | null;
    due_at: string | null;
    builder_session_id: string | null;
    validator_session_id: string | null;
    builder_result: Record<string, any> | null;
    validator_result: Record<string, any> | null;
    needs: Link[];
    dependents: Link[];
    attempts: Attempt[];
    attempts_left_out: number;
    log: LogEvent[];
    definition: Record<string, any>;
    verbs: string[];
    retry_is_chain: boolean;
    depend_on_it: number;
    budget: Cap[];
    now: string;
  }

  interface Attempt {
    id: string;
    kind: string;
    number: number;
    run: number;
    worker_id: string;
    agent_cli: string | null;
    claimed_at: string;
    started_at: string | null;
    ended_at: string | null;
    progress_at: string | null;
    fenced_at: string | null;
    outcome: string | null;
    failure_class: string | null;
    error: string | null;
    headline: string | null;
    exit_code: number | null;
    builder_session_id: string | null;
    validator_session_id: string | null;
    builder_result: Record<string, any> | null;
    check_results: CheckResult[] | null;
    validator_result: Record<string, any> | null;
    must_fix: any[] | null;
    cause: string | null;
    fingerprint: string | null;
    same_as: any;
    same_what: string | null;
    diff_id: string | null;
    base_sha: string | null;
    head_sha: string | null;
    tokens: number | null;
    cost_usd: number | null;
    note: string | null;
    cached_tokens: number | null;
    question: string | null;
    answer: string | null;
    given_tip: string | null;
    builder_agent: string | null;
    route: string | null;
    validator_route: string | null;
    resumed_session_id: string | null;
    models: any;
    changed: Size | null;
    sessions: Session[];
    landings: LandingAttempt[];
  }

  interface CheckResult {
    command?: string;
    name?: string;
    passed: boolean;
    exit_code?: number | null;
    warning?: any;
    output?: string;
    duration_s?: number | null;
  }

  interface Size {
    files: number;
    added: number;
    deleted: number;
  }

  interface Session {
    id: number;
    role: string;
    name: string | null;
    started_at: string;
    ended_at: string | null;
    exit_code: number | null;
    signal: any;
    resumes: string | null;
    output_bytes: number;
    lost_from: number | null;
    lost_to: number | null;
    models: any;
    tokens: number | null;
    cached_tokens: number | null;
    cost_usd: number | null;
  }

  interface LandingAttempt {
    id: string;
    number: number;
    worker_id: string;
    claimed_at: string;
    ended_at: string | null;
    outcome: string | null;
    failure_class: string | null;
    error: string | null;
    check_results: CheckResult[] | null;
    must_fix: any[] | null;
  }

  interface LogEvent {
    id: number;
    timestamp: string;
    event_type: string;
    worker_id: string | null;
    message: string;
    data: Record<string, any> | null;
  }

  interface Why {
    id: string;
    status: string;
    reasons: Reason[];
    same_problem: any;
  }

  interface Reason {
    kind: string;
    text: string;
    advice: string | null;
    hint: string | null;
    command: string | null;
    action: string | null;
    task: string | null;
  }

  interface NextPrompt {
    attempt: number;
    prompt: string | null;
    resumes: string | null;
    problem: string | null;
  }

  interface Control {
    id: number;
    created_at: string;
    expires_at: string;
    actor: string;
    verb: string;
    target: string;
    argument: Record<string, any>;
    attempt_id: string | null;
    /** pending, done, refused or expired */
    status: string;
    handled_by: string | null;
    handled_at: string | null;
    result: string | null;
    progress?: string;
    hint?: string;
  }

  interface ControlPage {
    control: Control[];
    cursor: number | null;
  }

  interface Landing {
    integration: Integration | null;
    landing: any;
    waiting: Waiting[];
    waiting_total: number;
    waiting_since: string | null;
    late: boolean;
    recent: Landed[];
    merged: Control[];
    limit: number;
  }

  interface ImportLimits {
    formats: string[];
    max_bytes: number;
  }

  interface ImportReport {
    name: string;
    format: string | null;
    counts: Record<string, number> | null;
    tasks: ImportedTask[];
    task_count: number;
    lines: Record<string, number>;
    left_out: LeftOut[];
    left_out_count: number;
    warnings: Problem[];
    warning_count: number;
    reasons: string[];
    problems: Problem[];
    problem_count: number;
  }

  interface ImportedTask {
    id: string;
    name: string;
    status: string;
    line: number;
    phase: string;
    needs: string[];
  }

  interface LeftOut {
    lines: string;
    why: string;
    text: string;
  }

  interface Problem {
    line: number;
    message: string;
    advice: string;
  }

  interface Branches {
    branches: string[];
    began_from: string | null;
  }

  interface LandPreview {
    branch: string;
    landed: string;
    into: string;
    tip: string;
    kind: string;
    commits: Arriving[];
    commit_count: number;
    files: FileChange[];
    file_count: number;
    added: number;
    deleted: number;
    checkout: string | null;
    refusal: Refusal | null;
    not_included: NotIncluded[];
  }

  interface Arriving {
    commit: string;
    at: string;
    task_id: string | null;
    author: string;
    title: string;
  }

  interface Refusal {
    message: string;
    hint: string | null;
  }

  interface NotIncluded {
    what: string;
    count: number;
    ids: string[];
  }

  interface Integration {
    branch: string;
    person_branch: string | null;
    tip: string | null;
    state: string;
  }

  interface Waiting {
    id: string;
    name: string;
    approved_at: string;
    landing_failures: number;
  }

  interface Landed {
    id: number;
    at: string;
    task_id: string | null;
    name: string | null;
    landed: boolean;
    commit: string | null;
    message: string;
  }

  interface Failures {
    groups: Group[];
    totals: Totals;
    imported: Imported;
    limit: number;
  }

  interface Group {
    fingerprint: string;
    cause: string;
    sample: string;
    tasks: number;
    failed: number;
    held: number;
    attempts: number;
    newest_at: string;
    blocked: number;
    task_ids: string[];
    output: string;
  }

  interface Totals {
    groups: number;
    tasks: number;
    failed: number;
    held: number;
  }

  interface Imported {
    tasks: number;
    task_ids: string[];
  }

  interface HeldRow extends TaskRow {
    why: string | null;
    next: string | null;
  }

  interface HeldFor {
    reason: string;
    tasks: number;
  }

  interface Needs {
    tasks: HeldRow[];
    total: number | null;
    limit: number;
    cursor: number | null;
    groups: Group[];
    imported: Imported;
    reasons: HeldFor[];
    cancelled: Imported;
    counts: NeedCounts;
  }

  interface Exported {
    tasks: number;
    text: string;
  }

  interface Health {
    level: string;
    checks: Finding[];
    now: string;
  }

  interface Finding {
    code: string;
    part: string;
    name: string;
    level: string;
    text: string;
    advice: string | null;
    command: string | null;
    target: string | null;
    action: string | null;
    is_obstacle: boolean;
    passes: boolean;
  }

  interface Settings {
    file: string;
    /** What is wrong with the file as it is now. */
    problem: string | null;
    settings: Setting[];
  }

  interface Setting {
    name: string;
    value: any;
    /** flag, the name of a variable, swarm.yaml or default */
    origin: string;
    /** Another value that swarm.yaml has by now; null if it is the same. */
    next: any;
    text: string;
  }

  interface Diff {
    since: string;
    change: Change | null;
  }

  interface Change {
    base_sha: string;
    head_sha: string;
    files: FileChange[];
    file_count: number;
    added: number;
    deleted: number;
    patch: string;
    truncated: boolean;
  }

  interface FileChange {
    path: string;
    old_path: string | null;
    change: string;
    added: number | null;
    deleted: number | null;
  }

  interface Lines {
    total: number;
    complete: boolean;
    ended: boolean;
    lost: number;
    first: number;
    lines: Line[];
  }

  interface Line {
    text: string;
    err?: boolean;
    cut?: number;
    gap?: boolean;
  }

  interface Timeline {
    seq: number;
    range: string;
    from: string;
    to: string;
    complete_from: string;
    attempts: number;
    slot_s: number;
    lanes: Lane[];
    lanes_left_out: number;
    bar_s: number;
    bars: Record<string, any>[];
    outlook: Outlook | null;
  }

  interface Lane {
    worker_id: string;
    alive: boolean;
    blocks: Block[];
  }

  interface Block {
    start: number;
    end: number | null;
    kind: string;
    task: string | null;
    number: number;
    parts?: any[];
    landing?: boolean;
    count?: number;
    kinds?: Record<string, number>;
  }

  interface Outlook {
    eta_s: number;
    low_s: number;
    high_s: number;
    passes: number;
    mean_s: number;
  }

  interface Graph {
    total: number;
    phases: string[];
    view: string;
    of: number | null;
    cut: boolean;
    links_cut?: boolean;
    looked_at?: number | null;
    boxes: any[];
    links: any[];
    critical: any;
  }

  interface Count {
    matching: number;
    meant: number;
    left_alone: Record<string, number>;
    cursor: number | null;
  }
}

/** What the address means: a screen, and what it is to show. */
interface Place {
  screen: any;
  query: URLSearchParams;
  again: () => void;
  id?: string;
}

/** What a screen's `view` is drawn from. */
interface View<Data> {
  data: Data;
  status: Api.Status | null;
  place: Place;
  go: (address: string) => void;
  /** Draw the screen again from what is loaded. */
  redraw: () => void;
}
