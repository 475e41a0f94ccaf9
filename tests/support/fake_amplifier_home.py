"""What the stand-in for `amplifier` keeps below HOME (bundles, sessions, events), and its output format."""

import json
import os
import re
import time

COLUMNS = 80
# What the bundle cache holds after the first start.
BUNDLES = {
    "anchors": ("builder", "explorer"),
    "foundation": ("bug-hunter", "modular-builder", "zen-architect"),
    "recipes": ("recipe-author", "result-validator"),
}


def bundle_problem(bundle):
    """1 after reporting what is wrong with a bundle, else 0."""
    if bundle.startswith("file://"):
        try:
            with open(bundle[len("file://") :], encoding="utf-8") as file:
                good = file.read().startswith("---\nbundle:")
        except OSError:
            good = False
        if not good:
            panel("Bundle Error", f"Bundle not found at {bundle}. Check the address of the bundle and try again.")
        return 0 if good else 1
    folders = (".amplifier/bundles", f"{os.environ.get('HOME', '')}/.amplifier/bundles")
    if bundle in BUNDLES or any(os.path.exists(f"{folder}/{bundle}.md") for folder in folders):
        return 0
    wrapped(f"Error: Bundle '{bundle}' not found. Available bundles: amplifier-dev, anchors, foundation")
    return 1


def amplifier_home():
    return os.environ.get("AMPLIFIER_HOME") or f"{os.environ.get('HOME', '/nonexistent')}/.amplifier"


def fetch(home=None):
    """Fills the cache and writes the registry, as the first start does; only parts of `recipes` are ever loaded."""
    quiet = home is not None
    home = home or amplifier_home()
    if os.path.exists(f"{home}/registry.json"):
        return
    if not quiet:
        wrapped("Installing provider modules...")
        wrapped("Failed to install provider-azure: Failed to clone https://example.invalid/x: fatal: unable to access")
    states = {}
    for name, agents in BUNDLES.items():
        folder = cached(name, home)
        os.makedirs(f"{folder}/agents", exist_ok=True)
        with open(f"{folder}/bundle.md", "w", encoding="utf-8") as file:
            file.write(f"---\nbundle:\n  name: {name}\n  version: 1.0.0\n---\n")
        for agent in agents:
            with open(f"{folder}/agents/{agent}.md", "w", encoding="utf-8") as file:
                file.write("---\nmeta: {}\n---\nYou are an agent.\n")
        local = None if name == "recipes" else folder
        states[name] = {"uri": f"git+https://example.invalid/{name}@main", "local_path": local}
    with open(f"{home}/registry.json.new", "w", encoding="utf-8") as file:
        json.dump({"version": 1, "bundles": states}, file)
    os.replace(f"{home}/registry.json.new", f"{home}/registry.json")


def cached(name, home):
    return f"{home}/cache/amplifier-{'' if name == 'foundation' else 'bundle-'}{name}-{'0' * 16}"


def mentions(bundle, step):
    """What `mentions:resolved` says about a bundle: a missing context file is skipped, a missing mention fails."""
    resolved, failed = [{"mention": "foundation:context/agents/delegation-instructions.md"}], []
    text = ""
    if bundle.startswith("file://"):
        with open(bundle[len("file://") :], encoding="utf-8") as file:
            text = file.read()
    _, front, body = text.split("---\n", 2) if text.count("---\n") > 1 else ("", "", text)
    for name in [] if step.get("no_context") else re.findall(r"^ +- (\S+:\S+\.md)$", front, re.MULTILINE):
        if has_file(name):
            resolved.append({"mention": name, "source_type": "bundle_namespace"})
    for name in [] if step.get("replaced") else re.findall(r"@(\S+:\S+\.md)", body):
        if has_file(name):
            resolved.append({"mention": f"@{name}", "source_type": "bundle_namespace"})
        else:
            failed.append({"mention": f"@{name}", "reason": "not_found"})
    return {"source": "bundle_context", "resolutions": resolved, "failed": failed, "turn": None}


def has_file(name):
    namespace, _, path = name.partition(":")
    return os.path.exists(f"{cached(namespace, amplifier_home())}/{path}")


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
    """What a resumed session remembers: nothing, silently, if it did not end well."""
    try:
        with open(f"{sessions_folder()}/{session}/transcript.jsonl", encoding="utf-8") as file:
            return len(file.readlines())
    except OSError:
        return 0


def remembered(session):
    """The user's messages in a saved session, newest first; nothing if none was saved."""
    if session is None or len(found := sessions_like(session)) != 1:
        return ""
    try:
        with open(f"{sessions_folder()}/{found[0]}/transcript.jsonl", encoding="utf-8") as file:
            said = [json.loads(line) for line in file]
    except OSError:
        return ""
    return "\n".join(each["content"] for each in reversed(said) if each["role"] == "user")


def save(session, bundle, prompt, response):
    """Headless, the real one writes these at its successful end only."""
    folder = f"{sessions_folder()}/{session}"
    with open(f"{folder}/transcript.jsonl", "a", encoding="utf-8") as file:
        for role, text in (("user", prompt), ("assistant", response)):
            file.write(json.dumps({"role": role, "content": text}) + "\n")
    with open(f"{folder}/metadata.json", "w", encoding="utf-8") as file:
        json.dump({"session_id": session, "bundle": bundle, "working_dir": os.getcwd()}, file)


def saved_bundle(session):
    """The bundle of a saved session, by its address; the default one if nothing was saved."""
    try:
        with open(f"{sessions_folder()}/{session}/metadata.json", encoding="utf-8") as file:
            return json.load(file)["bundle"]
    except OSError:
        return "foundation"


def event(session, name, data, **more):
    folder = f"{sessions_folder()}/{session}"
    schema = {"name": "amplifier.log", "ver": "1.0.0"}
    record = {"ts": now(9), "lvl": "INFO", "schema": schema, "event": name, "session_id": session, **more, "data": data}
    try:
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/events.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    except OSError:
        pass  # like the real hook: a session continues without its log


def panel(title, text):
    print("╭─ " + title + " " + "─" * (COLUMNS - len(title) - 5) + "╮")
    for line in lines_of(text, COLUMNS - 4):
        print("│ " + line.ljust(COLUMNS - 4) + " │")
    print("╰" + "─" * (COLUMNS - 2) + "╯", flush=True)


def wrapped(text):
    print("\n".join(lines_of(text, COLUMNS)))


def lines_of(text, width):
    """Like the console of the real one: lines break at blanks, and words that are longer than a line anywhere."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if len(lines[-1] + word) > width and lines[-1]:
            lines.append("")
            word = word.lstrip()
        for at in range(0, len(word), width):
            lines[-1] += word[at : at + width]
            if at + width < len(word):
                lines.append("")
    return lines


def now(digits=3):
    nanoseconds = time.time_ns()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(nanoseconds // 10**9))
    return f"{whole}.{nanoseconds % 10**9 // 10 ** (9 - digits):0{digits}d}+00:00"
