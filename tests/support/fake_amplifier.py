#!/usr/bin/env -S python3 -S -E
"""A stand-in for the `amplifier` CLI that behaves as the real one does, faults included; quick to start.

It knows `--version`, `run` and `tool list`. A persona bundle's context and mentions are resolved against the bundle
cache below HOME, which is filled by the first start.

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
    bash: command         started in its own session, as the bash tool does; `bash_waits: true` waits
    tokens: n, cost: x    in the events of the session; `delegated: n` more tokens in a sub-session
    log_twice: true       every model answer is logged twice, as older loggers do
    events: n, every_s: x events that it writes while it works
    replaced: true        a bundle that the user added to all sessions has a body, which replaces the persona's
    no_context: true      such a bundle, or an include that failed, took the persona's context away, too
    old: true             a version that writes no event mentions:resolved
    no_key: true          the provider has no key; also so where settings.yaml names an empty variable
    wait_for: PATH        touch: PATH           sleep_s: x           hang: true
    ledger: PATH          JSON lines at start and end, and when a session is resumed: its id, how much it remembers
"""

import json
import os
import re
import signal
import sys
import time

from fake_amplifier_home import (
    bundle_problem,
    event,
    fetch,
    mentions,
    messages,
    now,
    panel,
    remembered,
    save,
    saved_bundle,
    sessions_like,
    wrapped,
)

VERSION = "amplifier, version 2026.08.19 (core 2.0.2)"
POLL_S = 0.01
CONFIG_BYTES, REQUEST_BYTES = 450_000, 300_000
NAMING_TOKENS = 5  # the second turn of a session also asks the model for a name of the session
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
    if argv[:2] == ["tool", "list"]:
        return list_tools(argv[2:])
    if not argv or argv[0] != "run":
        return usage_error(f"No such command '{argv[0] if argv else ''}'.")
    options, words, problem = parse(argv[1:])
    if problem:
        return usage_error(problem)
    prompt = words[0] if words else sys.stdin.read()
    if not prompt.strip():
        print("Error: Prompt required in single mode")
        return 1
    if "--resume" in options:
        return run(prompt, None, options)
    bundle = options.get("--bundle") or options.get("-B") or "anchors"
    return bundle_problem(bundle) or run(prompt, bundle, options)


def list_tools(words):
    """Prepares the bundle like a session, and asks no model."""
    if len(words) != 2 or words[0] not in ("-b", "--bundle"):
        return usage_error(f"No such option: {' '.join(words)}")
    role = os.environ.get("AMPLIFIER_SWARM_ROLE", "builder")
    step = choose_step("", role)
    note(step, role, "prepared", bundle=words[1])
    wrapped(f"Mounting tools from bundle '{words[1]}'...")
    if "startup" in step:
        wrapped(f"Error mounting tools: Failed to load bundle '{words[1]}': {step['startup']}")
        return 1
    while step.get("hang"):
        time.sleep(POLL_S)
    if bundle_problem(words[1]):
        return 1
    fetch()
    print("── tools (16 active) ──")
    return 0


def run(prompt, bundle, options):
    role = os.environ.get("AMPLIFIER_SWARM_ROLE", "builder")
    # A resumed session remembers what it was asked before, and so the script in it.
    step = choose_step(f"{prompt}\n{remembered(options.get('--resume'))}", role)
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
    state = {"bash_pid": None, "interrupted": False, "answered": now(), "prompt": prompt}
    signal.signal(signal.SIGINT, lambda *_: state.update(interrupted=True))
    fetch()
    if options.get("--output-format", "text") == "text":
        print(f"Session ID: {session}")
    elif "--resume" in options:
        bundle = saved_bundle(session)
        wrapped(f"✓ Resuming session: {session}")
        wrapped(f"  Messages: {messages(session)}")
        wrapped(f"  Using saved bundle: {bundle}")
        if bundle_problem(bundle):
            return 1
    wrapped(f"Bundle '{bundle}' prepared successfully")
    for line in step.get("preamble", ()):
        wrapped(line)
    sys.stdout.flush()
    event(session, "session:start", {"parent_id": None, "working_dir": os.getcwd()})
    event(session, "session:config", {"config": "c" * CONFIG_BYTES})
    event(session, "prompt:submit", {"prompt": prompt})
    event(session, "execution:start", {"prompt": prompt})
    if step.get("no_key") or names_an_empty_key():
        return without_a_provider(session, bundle)
    event(session, "provider:request", {"iteration": 1})
    if not step.get("old"):
        event(session, "mentions:resolved", mentions(bundle, step))
    event(session, "llm:request", {"model": "m", "raw": "r" * REQUEST_BYTES}, request_id=new_id())
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
        event(session, "tool:pre", {"tool_name": "bash", "tool_input": {"command": step["bash"]}})
        print("🔧 Using tool: bash", file=sys.stderr, flush=True)
    if "touch" in step:
        with open(step["touch"], "a", encoding="utf-8"):
            pass
    for _ in range(step.get("events", 0)):
        event(session, "content_block:start", {"block_index": 0})
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
    for _ in range(2 if step.get("log_twice") else 1):
        event(
            session, "llm:response", {"usage": usage, "timestamp": state["answered"]}, status="success", duration_ms=1.5
        )
    if messages(session):
        event(session, "llm:response", {"usage": {"total_tokens": NAMING_TOKENS}}, status="success")
        print("model_role 'fast' is not configured, the default model names the session", file=sys.stderr, flush=True)
    if "delegated" in step:
        child = f"{'0' * 16}-{os.urandom(8).hex()}_foundation-explorer"
        event(session, "delegate:agent_spawned", {"agent": "foundation:explorer", "sub_session_id": child})
        event(child, "session:start", {"parent_id": session})
        event(child, "llm:response", {"usage": {"total_tokens": step["delegated"]}, "parent_id": session})
        event(session, "delegate:agent_completed", {"agent": "foundation:explorer", "sub_session_id": child})


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
    event(session, "orchestrator:complete", {"turn_count": 1}, status=cancelled)
    event(session, "prompt:complete", {"response": response})
    event(session, "session:end", {})
    save(session, bundle, state["prompt"], response)
    show(success(response, session, bundle))
    for line in step.get("noise", ()):
        wrapped(line)
    return 0


def success(response, session, bundle):
    shape = {"status": "success", "response": response, "session_id": session, "bundle": f"bundle:{bundle}"}
    return {**shape, "model": "unknown", "timestamp": now()}


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


def names_an_empty_key():
    home = f"{os.environ.get('HOME', '')}/.amplifier"
    try:
        with open(f"{home}/settings.yaml", encoding="utf-8") as file:
            named = re.findall(r"api_key: *['\"]?\$\{(\w+)\}", file.read())
    except OSError:
        return False
    kept = ""
    if os.path.exists(f"{home}/keys.env"):
        with open(f"{home}/keys.env", encoding="utf-8") as file:
            kept = file.read()
    return any(not os.environ.get(name) and f"{name}=" not in kept for name in named)


def without_a_provider(session, bundle):
    """Not an error for the real one: it answers with its own sentence."""
    print("No API key found for OpenAI provider", file=sys.stderr, flush=True)
    show(success("Error: No providers available", session, bundle))
    return 0


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


def new_id():
    digits = os.urandom(16).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
