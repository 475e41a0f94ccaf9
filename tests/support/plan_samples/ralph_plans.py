"""Stories of Ralph and similar loops."""

from __future__ import annotations

from plan_samples.sample import Sample

RALPH = """\
{
  "project": "Shop", "branchName": "ralph/shop", "description": "Priorities for tasks",
  "verificationCommands": {"test": "npm test"},
  "userStories": [
    {"id": "US-002", "title": "Show it", "description": "As a user", "acceptanceCriteria": ["a badge", "types check"],
     "priority": 2, "passes": false, "notes": "see src/card.tsx"},
    {"id": "US-001", "title": "Add the field", "acceptanceCriteria": ["a column"], "priority": 1, "passes": true,
     "notes": ""}
  ]
}
"""
RALPH_MINIMAL = '{"userStories":[{"id":"US-1","title":"Login","acceptanceCriteria":[],"priority":1,"passes":false}]}'
RALPH_WITHOUT_IDS = '{"userStories": [{"title": "First", "passes": false}, {"title": "Second", "passes": true}]}\n'

RALPH_WITH_NEEDS = """\
{
  "name": "Kiosk",
  "description": "A kiosk for tickets",
  "branchName": "ralph/kiosk",
  "qualityGates": ["make lint"],
  "userStories": [
    {"id": "US-001", "title": "Skeleton", "description": "As a developer, I need a place to start",
     "acceptanceCriteria": ["make build passes"], "priority": 1, "passes": true, "dependsOn": [],
     "completionNotes": "Completed"},
    {"id": "US-002", "title": "Printer", "acceptanceCriteria": [], "priority": 2, "passes": false,
     "dependsOn": ["US-001"]},
    {"id": "US-002.1", "title": "Paper", "acceptanceCriteria": [], "priority": 2.1, "passes": false,
     "dependsOn": ["US-002"], "status": "in_progress"},
    {"id": "US-003", "title": "Screen", "acceptanceCriteria": [], "priority": 3, "passes": false,
     "dependsOn": ["US-001"], "status": "not_started"},
    {"id": "US-004", "title": "Cash", "acceptanceCriteria": [], "priority": 4, "passes": false}
  ]
}
"""
RALPH_LIST = """\
[
  {"id": "SUB-001", "title": "Keep the last frames", "priority": 1, "passes": true},
  {"id": "SUB-002", "title": "Compare frames", "priority": 2, "passes": false}
]
"""
RALPH_CATEGORIES = """\
[
  {
    "category": "functional",
    "description": "A visitor can open the menu",
    "steps": ["Open the page", "Press the button", "See three entries"],
    "passes": false
  },
  {
    "category": "style",
    "description": "The menu has rounded corners",
    "steps": ["Open the menu"],
    "passes": true
  }
]
"""
RALPH_UNFINISHED = """\
[
  {"category": "cli", "description": "Read the prompt from a file", "steps": ["Run it with -f"], "started": false,
   "complete": false}
]
"""
RALPH_FEATURES = """\
{
  "features": [
    {"id": "F001", "category": "setup", "description": "Set up the project in package.json", "priority": 1,
     "steps": ["Given an empty folder", "Then npm install succeeds"], "passes": true},
    {"id": "F002", "category": "core", "description": "Encode bytes in src/encode.ts", "priority": 2, "steps": [],
     "passes": false}
  ]
}
"""
RALPH_STORIES = """\
{
  "version": "1.0",
  "project": "Diary",
  "stories": [
    {"id": "D-001", "title": "Command line", "acceptance": ["help"], "status": "completed", "priority": "high",
     "phase": "1"},
    {"id": "D-002", "title": "Search", "acceptance": ["by word", "by day"], "status": "todo", "priority": "low",
     "phase": "2", "deliverables": ["src/search.py"]}
  ],
  "stats": {"total": 2}
}
"""
RALPH_TASKS = """\
{
  "iteration": "foundation",
  "goal": "Split the package",
  "tasks": [
    {"id": "split", "title": "Split it", "kind": "code", "dependencies": [], "acceptanceCriteria": ["tests pass"],
     "validationCommands": ["make test"], "blocked": false, "passes": true, "attempts": 1},
    {"id": "review", "title": "Review it", "kind": "review", "dependencies": ["split"], "acceptanceCriteria": [],
     "blocked": false, "passes": false, "attempts": 0}
  ]
}
"""

SAMPLES: dict[str, Sample] = {
    "ralph": Sample(plan_format="ralph", path="prd.json", text=RALPH, ids=("US-002", "US-001")),
    "ralph in a line": Sample(plan_format="ralph", path="", text=RALPH_MINIMAL, ids=("US-1",)),
    "ralph without ids": Sample(
        plan_format="ralph", path="scripts/ralph/prd.json", text=RALPH_WITHOUT_IDS, ids=("first", "second")
    ),
    "ralph with dependencies": Sample(
        plan_format="ralph",
        path="scripts/ralph/prd.json",
        text=RALPH_WITH_NEEDS,
        ids=("US-001", "US-002", "US-002.1", "US-003", "US-004"),
    ),
    "ralph as a list": Sample(plan_format="ralph", path="prd.json", text=RALPH_LIST, ids=("SUB-001", "SUB-002")),
    "ralph with categories": Sample(
        plan_format="ralph",
        path="plans/prd.json",
        text=RALPH_CATEGORIES,
        ids=("a-visitor-can-open-the-menu", "the-menu-has-rounded-corners"),
    ),
    "ralph without passes": Sample(
        plan_format="ralph", path="prd.json", text=RALPH_UNFINISHED, ids=("read-the-prompt-from-a-file",)
    ),
    "ralph as features": Sample(
        plan_format="ralph", path="feature_list.json", text=RALPH_FEATURES, ids=("F001", "F002")
    ),
    "ralph with statuses": Sample(plan_format="ralph", path="prd.json", text=RALPH_STORIES, ids=("D-001", "D-002")),
    "ralph as tasks": Sample(plan_format="ralph", path="prd.json", text=RALPH_TASKS, ids=("split", "review")),
}
