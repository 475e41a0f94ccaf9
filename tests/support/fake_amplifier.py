#!/usr/bin/env -S python3 -S -E
"""A stand-in for the `amplifier` CLI with the real one's manners, warts included; quick to start.

What it does is stated as JSON, in the variable FAKE_AMPLIFIER, in the file that FAKE_AMPLIFIER_FILE names, or
in a line `FAKE: {…}` of the prompt (the last of these wins): per role a list of steps by attempt number, the
last one repeats; or `{"steps": […], "runs": PATH}`, where PATH counts the runs instead. A step's keys:

    answer: {…}           put into `response` as fenced JSON; default: the answer that passes
    response: text        the whole response instead
    error: text           the error shape and exit 1
    startup: text         text on standard output without JSON, exit 1
    raw: text             instead of everything that is printed otherwise
    exit: n, signal: n    how it ends, whatever it printed
    stderr: text          preamble: [lines]     noise: [lines] after the JSON
    write: {path: text}   files made in the working directory
    bash: command         started in a session of its own, as the bash tool does; `bash_waits: true` waits
    tokens: n, cost: x    in the events of the session; `delegated: n` more tokens in a sub-session
    events: n, every_s: x events that it writes while it works
    wait_for: PATH        touch: PATH           sleep_s: x           hang: true
    ledger: PATH          JSON lines at start and end, and when a session is resumed: its id, how much it remembers
"""

import json
import os
import re
import signal
import sys
import time

VERSION = "amplifier, version 2026.08.19 (core 2.0.2)"
COLUMNS = 80
POLL_S = 0.01
KNOWN_BUNDLES = ("anchors", "foundation")
PASSES = {
    "builder": {"status": "success", "files_created": [], "files_modified": [], "tests_passed": True},
    "validator": {"verdict": "PASS", "confidence": 0.9, "critical_issues": [], "summary": "checked"},
}
# Option name to whether a value follows.
RUN_OPTIONS = {
    "-B": True, "--bundle": True, "-p": True, "--provider": True, "-m": True, "--model": True,
    "--max-tokens": True, "--mode": True, "--resume": True, "-v": False, "--verbose": False,
    "--output-format": True,
}  # fmt: skip


def main(argv):
    if argv == ["--version"]:
        print(VERSION)
        return 0
    if not argv or argv[0] != "run":
        return usage_error(f"No such command '{argv[0] if argv else ''}'.")
    options, words, problem = parse(argv[1:])
    if problem:
        return usage_error(problem)
    prompt = words[0] if words else sys.stdin.read()
    if not prompt.strip():
        print("Error: Prompt required in single mode")
        return 1
    bundle = options.get("--bundle") or options.get("-B") or "anchors"
    if not bundle_exists(bundle):
        panel("Bundle Error", f"Bundle '{bundle}' not found. Run 'amplifier bundle list' to see what there is.")
        return 1
    return run(prompt, bundle, options)


def run(prompt, bundle, options):
    role = os.environ.get("AMPLIFIER_SWARM_ROLE", "builder")
    step = choose_step(prompt, role)
    note(step, role, "start")
    if "startup" in step:
        panel("Error", step["startup"])
        return int(step.get("exit", 1))
    session = new_id()
    if "--resume" in options:
        found = sessions_like(options["--resume"])
        if len(found) != 1:
            print(f"Error: {'Ambiguous' if found else 'No'} session found matching '{options['--resume']}'")
            return 1
        session = found[0]
        note(step, role, "resumed", session=session, messages=messages(session))
    state = {"bash_pid": None, "interrupted": False}
    signal.signal(signal.SIGINT, lambda *_: state.update(interrupted=True))
    if options.get("--output-format", "text") == "text":
        print(f"Session ID: {session}")
    else:
        wrapped(f"Bundle '{bundle}' prepared successfully")
        if "--resume" in options:
            wrapped(f"Resuming session: {session}")
            wrapped(f"Messages: {messages(session)}")
            wrapped("Using saved bundle")
    for line in step.get("preamble", ()):
        wrapped(line)
    sys.stdout.flush()
    event(session, "session:start", {"parent_id": None, "working_dir": os.getcwd()})
    event(session, "prompt:submit", {"prompt": prompt})
    work(step, session, state)
    note(step, role, "end")
    if "stderr" in step:
        print(step["stderr"], file=sys.stderr, flush=True)
    status = finish(step, role, session, bundle, state)
    sys.stdout.flush()
    if "signal" in step:
        signal.signal(step["signal"], signal.SIG_DFL) if step["signal"] != signal.SIGKILL else None
        os.kill(os.getpid(), step["signal"])
    return int(step.get("exit", status))


def work(step, session, state):
    for path, text in step.get("write", {}).items():
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    if "bash" in step:
        command = ["/bin/sh", "-c", step["bash"]]
        state["bash_pid"] = os.posix_spawn("/bin/sh", command, os.environ, setsid=True)
        event(session, "tool:pre", {"tool": "bash"})
    if "touch" in step:
        with open(step["touch"], "a", encoding="utf-8"):
            pass
    for _ in range(step.get("events", 0)):
        event(session, "llm:request", {})
        time.sleep(step.get("every_s", 0.01))
    end = time.monotonic() + step.get("sleep_s", 0)
    # The real one notes an interrupt and still waits for its model or its command.
    while step.get("hang") or time.monotonic() < end or ("wait_for" in step and not os.path.exists(step["wait_for"])):
        time.sleep(POLL_S)
        if state["interrupted"] and step.get("hang"):
            break
    if state["bash_pid"] and step.get("bash_waits"):
        os.waitpid(state["bash_pid"], 0)
    usage = {"input_tokens": step.get("tokens", 100) - 10, "output_tokens": 10}
    usage["total_tokens"] = step.get("tokens", 100)
    if "cost" in step:
        usage["cost_usd"] = step["cost"]
    event(session, "llm:response", {"usage": usage})
    if "delegated" in step:
        child = f"{'0' * 16}-{os.urandom(8).hex()}_foundation-explorer"
        event(child, "session:start", {"parent_id": session})
        event(child, "llm:response", {"usage": {"total_tokens": step["delegated"]}, "parent_id": session})


def finish(step, role, session, bundle, state):
    if "raw" in step:
        sys.stdout.write(step["raw"])
        return 0
    if "error" in step:
        # Model errors leave only events; the class survives as text.
        show({"status": "error", "error": step["error"], "session_id": session, "timestamp": now()})
        return 1
    if state["interrupted"] and (step.get("hang") or step.get("bash_waits")):
        response = ""
    elif "response" in step:
        response = step["response"]
    else:
        answer = step.get("answer", PASSES.get(role, PASSES["builder"]))
        response = f"The work is done.\n\n```json\n{json.dumps(answer, indent=2)}\n```\n"
    cancelled = "cancelled" if state["interrupted"] else "success"
    event(session, "orchestrator:complete", {"status": cancelled, "turn_count": 1})
    save(session, response)
    show(
        {
            "status": "success",
            "response": response,
            "session_id": session,
            "bundle": f"bundle:{bundle}",
            "model": "unknown",
            "timestamp": now(),
        }
    )
    for line in step.get("noise", ()):
        wrapped(line)
    return 0


def choose_step(prompt, role):
    stated = os.environ.get("FAKE_AMPLIFIER") or "{}"
    if path := os.environ.get("FAKE_AMPLIFIER_FILE"):
        with open(path, encoding="utf-8") as file:
            stated = file.read()
    if found := re.search(r"^\s*FAKE: (\{.*\})\s*$", prompt, re.MULTILINE):
        stated = found[1]
    script = json.loads(stated).get(role) or [{}]
    number = int(os.environ.get("AMPLIFIER_SWARM_ATTEMPT_NUMBER", "1"))
    if isinstance(script, dict):
        if "runs" in script:
            with open(script["runs"], "ab") as file:
                file.write(b".")
                file.flush()
                number = file.tell()
        script = script["steps"]
    return script[min(number, len(script)) - 1]


def parse(words):
    options, rest = {}, []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            return options, rest + words, None
        if not word.startswith("-"):
            rest.append(word)
        elif word not in RUN_OPTIONS:
            return options, rest, f"No such option: {word}"
        elif not RUN_OPTIONS[word]:
            options[word] = ""
        elif not words:
            return options, rest, f"Option '{word}' requires an argument."
        else:
            options[word] = words.pop(0)
    formats = ("text", "json", "json-trace")
    if options.get("--output-format", "text") not in formats:
        return options, rest, f"Invalid value for '--output-format': not one of {formats}."
    return options, rest, None


def usage_error(problem):
    print(f"Usage: amplifier run [OPTIONS] [PROMPT]\n\nError: {problem}", file=sys.stderr)
    return 2


def bundle_exists(bundle):
    if bundle.startswith("file://"):
        try:
            with open(bundle[len("file://") :], encoding="utf-8") as file:
                return file.read().startswith("---\nbundle:")
        except OSError:
            return False
    folders = (".amplifier/bundles", f"{os.environ.get('HOME', '')}/.amplifier/bundles")
    return bundle in KNOWN_BUNDLES or any(os.path.exists(f"{folder}/{bundle}.md") for folder in folders)


def sessions_folder():
    slug = os.path.realpath(".").replace("/", "-")
    return f"{os.environ.get('HOME', '/nonexistent')}/.amplifier/projects/{slug}/sessions"


def sessions_like(start):
    """Sessions of this working directory whose id begins so; sub-sessions cannot be resumed."""
    try:
        return [name for name in os.listdir(sessions_folder()) if name.startswith(start) and "_" not in name]
    except OSError:
        return []


def messages(session):
    """What a resumed session knows of before: nothing, silently, where it did not end well."""
    try:
        with open(f"{sessions_folder()}/{session}/transcript.jsonl", encoding="utf-8") as file:
            return len(file.readlines())
    except OSError:
        return 0


def save(session, response):
    """Headless, the real one writes this at its successful end only."""
    with open(f"{sessions_folder()}/{session}/transcript.jsonl", "a", encoding="utf-8") as file:
        for role, text in (("user", "the prompt"), ("assistant", response)):
            file.write(json.dumps({"role": role, "content": text}) + "\n")


def event(session, name, data):
    folder = f"{sessions_folder()}/{session}"
    try:
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"ts": now(), "event": name, "session_id": session, "data": data}) + "\n")
    except OSError:
        pass  # as the real hook: a session goes on without its log


def note(step, role, what, **more):
    if "ledger" not in step:
        return
    names = {"task": "TASK_ID", "attempt": "ATTEMPT", "number": "ATTEMPT_NUMBER"}
    line = {key: os.environ.get(f"AMPLIFIER_SWARM_{name}") for key, name in names.items()}
    line.update(event=what, role=role, pid=os.getpid(), time=time.time(), cwd=os.getcwd(), **more)
    with open(step["ledger"], "ab", buffering=0) as file:
        file.write(json.dumps(line).encode() + b"\n")


def show(value):
    print(json.dumps(value, indent=2))


def panel(title, text):
    print("╭─ " + title + " " + "─" * (COLUMNS - len(title) - 5) + "╮")
    for at in range(0, len(text), COLUMNS - 4):
        print("│ " + text[at : at + COLUMNS - 4].ljust(COLUMNS - 4) + " │")
    print("╰" + "─" * (COLUMNS - 2) + "╯", flush=True)


def wrapped(text):
    for at in range(0, len(text), COLUMNS):
        print(text[at : at + COLUMNS])


def now():
    seconds = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}+00:00"


def new_id():
    digits = os.urandom(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
