"""Small plans in the shapes that tools write, by format; and how many tasks each holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A plan: where it is found, its text, and the ids of its tasks."""

    plan_format: str
    path: str
    text: str
    ids: tuple[str, ...]


SPEC_KIT = """\
---

description: "Task list template for feature implementation"
---

# Tasks: Shop

**Input**: Design documents from `/specs/001-shop/`

## Format: `[ID] [P?] [Story] Description`

- **[P]**: Can run in parallel

<!--
  SAMPLE TASKS:
- [ ] T999 not a task
-->

## Phase 1: Setup (Shared Infrastructure)

**Purpose**: Project initialization

- [x] T001 Create the structure
- [ ] T002 [P] Configure linting in `ruff.toml`
- [ ] T003 [P] Configure types

---

## Phase 2: Foundational (Blocking Prerequisites)

- [ ] T004 Set up the schema in db/schema.sql
- [ ] T005 [P] Routing in src/routes.py
- [ ] T006 Base models

**Checkpoint**: Foundation ready

## Phase 3: User Story 1 - Sign in (Priority: P1)

**Goal**: people can sign in

**Independent Test**: sign in with a new account

### Tests for User Story 1

- [ ] T010 [P] [US1] Contract test in tests/test_[name].py

### Implementation for User Story 1

- [ ] T012 [P] [US1] User model in src/models/user.py
- [ ] T014 [US1] Login service (depends on T012, T010)

## Phase 4: User Story 2 - Sign out (Priority: P2)

- [ ] T018 [US2] Endpoint in src/out.py

## Phase N: Polish & Cross-Cutting Concerns

- [ ] TXXX [P] Documentation updates in docs/
- [ ] TXXX Security hardening

## Notes

```bash
- [ ] T998 a sample
```
"""
KIRO = """\
# Implementation Plan: Cache

## Overview

Add a cache.

## Tasks

- [x] 1. Set up storage
  - Run the migration
  - _Requirements: 1.1_

- [ ] 2. Cache layer
  - keep the interface
  - [ ] 2.1 Add a cache in `src/cache.py`
    - evict oldest at 1,000 entries
    - _Requirements: 1.2, 3.1_
  - [ ]* 2.2 Property tests
    - **Validates: Requirements 3.1**
  - [-] 2.3 Metrics
- [ ] 3. Checkpoint — ensure all tests pass

## Notes

- Tasks marked with `*` are optional
"""
KIRO_CHINESE = """\
# 实现计划

- [x] 1. 创建基础设施
  - 实现类
  - _需求: 2.1_

- [ ] 10. 完善文档
  - _需求: 全部_"""
SPEC_WORKFLOW = """\
# Tasks Document

- [ ] 1. Create core interfaces in src/types/feature.ts
  - File: src/types/feature.ts (create)
  - Purpose: type safety
  - _Leverage: src/types/base.ts_
  - _Requirements: 1.1_

- [x] 4.1 Setup routing
  - Files: src/api/routes.ts, src/api/index.ts (modify)
"""
OPENSPEC = """\
# Implementation Tasks

## 1. Metadata
- [ ] 1.1 Add optional `dependsOn` to the schema
- [x] 1.2 Keep old files valid
  - [ ] with a test

## 2. Command
* [ ] 2.1 Show it
"""
CHECKLIST = """\
# TODO

Some words.

## Backend
- [ ] rate-limiter: Limit requests !high ~3h (after: settings)
  - files: src/limit.py, tests/test_limit.py
  - [ ] 429 after 10 calls per second
  Text of the task.
- [-] Old idea
- [ ] Settings
* [x] Done thing
- a bullet without a box

## Empty
"""
TODO_WITHOUT_HEADINGS = "- [ ] one\n- [ ] two\n\t- [ ] nested with a tab\n1. [X] three\n+ [ ] ~~four~~\n"

SAMPLES: dict[str, Sample] = {
    "spec-kit": Sample(
        plan_format="spec-kit",
        path="specs/001-shop/tasks.md",
        text=SPEC_KIT,
        ids=(
            *("T001", "T002", "T003", "T004", "T005", "T006", "T010", "T012", "T014", "T018"),
            *("documentation-updates-in-docs", "security-hardening"),
        ),
    ),
    "spec-kit of the standard input": Sample(
        plan_format="spec-kit", path="", text="- [ ] **T001** One\n- [x] T002: Two\n", ids=("T001", "T002")
    ),
    "kiro": Sample(
        plan_format="kiro", path=".kiro/specs/cache/tasks.md", text=KIRO, ids=("1", "2.1", "2.2", "2.3", "3")
    ),
    "kiro in Chinese": Sample(plan_format="kiro", path=".kiro/specs/a/tasks.md", text=KIRO_CHINESE, ids=("1", "10")),
    "spec-workflow": Sample(
        plan_format="kiro", path=".spec-workflow/specs/a/tasks.md", text=SPEC_WORKFLOW, ids=("1", "4.1")
    ),
    "kiro elsewhere": Sample(plan_format="kiro", path="plan.md", text=SPEC_WORKFLOW, ids=("1", "4.1")),
    "openspec": Sample(
        plan_format="openspec",
        path="openspec/changes/add-deps/tasks.md",
        text=OPENSPEC,
        ids=("add-deps.1.1", "add-deps.1.2", "add-deps.2.1"),
    ),
    "openspec elsewhere": Sample(plan_format="openspec", path="", text=OPENSPEC, ids=("1.1", "1.2", "2.1")),
    "openspec without numbers": Sample(
        plan_format="openspec",
        path="openspec/changes/init/tasks.md",
        text="# Tasks\n\n## Setup\n\n- [x] Verify the folder\n- [ ] Write it\n",
        ids=("verify-the-folder", "write-it"),
    ),
    "checklist": Sample(
        plan_format="checklist",
        path="TODO.md",
        text=CHECKLIST,
        ids=("rate-limiter", "old-idea", "settings", "done-thing"),
    ),
    "checklist without headings": Sample(
        plan_format="checklist", path="notes.txt", text=TODO_WITHOUT_HEADINGS, ids=("one", "two", "three", "four")
    ),
    "checklist with Windows line ends": Sample(
        plan_format="checklist", path="a/b.md", text="## A\r\n- [ ] API-7: x\r\n- [x] y\r\n", ids=("API-7", "y")
    ),
}

TASK_MASTER = """\
{
  "master": {
    "tasks": [
      {"id": 1, "title": "Parse config", "description": "Read TOML", "status": "done", "priority": "high",
       "dependencies": [], "details": "Use tomllib", "testStrategy": "A bad file gives exit 2", "subtasks": []},
      {"id": 2, "title": "Serve", "description": "HTTP", "details": "Only loopback", "status": "pending",
       "dependencies": [1], "priority": "low", "testStrategy": "curl answers", "complexity": 7,
       "subtasks": [
         {"id": 1, "title": "Listen", "status": "done", "dependencies": []},
         {"id": 2, "title": "Answer", "details": "In src/serve.py", "status": "pending", "dependencies": [1]}
       ]},
      {"id": 3, "title": "Release", "status": "review", "dependencies": [2, "2.2"]}
    ],
    "metadata": {"created": "2026-01-01T00:00:00Z"}
  },
  "later": {"tasks": [{"id": "1", "title": "Elsewhere", "status": "pending"}], "metadata": {}}
}
"""
TASK_MASTER_STRINGS = """\
{"next": {"tasks": [
  {"id": "1", "title": "One", "status": "pending", "subtasks": [
    {"id": "1.1", "title": "a", "status": "pending", "dependencies": []},
    {"id": "1.2", "title": "b", "status": "pending", "dependencies": ["1.1"]}]},
  {"id": "2", "title": "Two", "status": "blocked", "dependencies": ["1"]}], "metadata": {"taskCount": 2}}}
"""
TASK_MASTER_OLDER = """\
{"tasks": [{"id": 1, "title": "One", "status": "pending", "testStrategy": "run it", "dependencies": []}], "version": 1}
"""
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
BEADS = """\
{"_type":"issue","id":"bd-e1","title":"Sync","status":"open","priority":1,"issue_type":"epic"}
{"_type":"issue","id":"bd-e1.1","title":"Guard","description":"In src/sync.go","status":"open","priority":0,\
"issue_type":"task","estimated_minutes":90,"acceptance_criteria":"- logged\\n- retried","labels":["api"],\
"dependencies":[{"issue_id":"bd-e1.1","depends_on_id":"bd-e1","type":"parent-child"}]}
{"_type":"issue","id":"bd-k3","title":"Cache","status":"open","priority":4,"issue_type":"feature",\
"dependencies":[{"issue_id":"bd-k3","depends_on_id":"bd-k1","type":"blocks"},\
{"issue_id":"bd-k3","depends_on_id":"bd-e1","type":"blocks"},\
{"issue_id":"bd-k3","depends_on_id":"bd-zz","type":"related"}]}
{"_type":"issue","id":"bd-k1","title":"Store","status":"closed","priority":2,"issue_type":"bug"}
{"_type":"issue","id":"bd-gone","title":"Gone","status":"tombstone","priority":2,"issue_type":"task"}
{"_type":"memory","key":"x","value":"remember"}
"""
BEADS_LIST = """\
[
  {"id": "bd-1", "title": "First", "status": "open", "priority": 2, "issue_type": "task"},
  {"id": "bd-2", "title": "Second", "status": "deferred", "priority": 1, "issue_type": "bug"}
]
"""
BEADS_ENVELOPE = (
    '{"schema_version": 1, "data": [{"id": "bd-1", "title": "First", "status": "open", "issue_type": "task"}]}\n'
)
BACKLOG = """\
---
id: BACK-12
title: 'Export: CSV'
status: To Do
assignee:
  - '@ann'
created_date: '2026-04-25 21:01'
labels:
  - api
dependencies:
  - task-9
references:
  - src/cli.ts
documentation:
  - docs/export.md
modified_files:
  - src/export.ts
priority: high
ordinal: 1000
---

## Description

<!-- SECTION:DESCRIPTION:BEGIN -->
Stream rows.
<!-- SECTION:DESCRIPTION:END -->

## Acceptance Criteria
<!-- AC:BEGIN -->
- [ ] #1 header row
- [x] #2 UTF-8
<!-- AC:END -->

## Implementation Plan

1. Write it

## Definition of Done
<!-- DOD:BEGIN -->
- [ ] #1 tests pass
<!-- DOD:END -->
"""
BACKLOG_SUB_TASK = """\
---
id: task-4.1
title: Sub-task
status: Done
dependencies: []
---
## Description

Words
"""
BACKLOG_QUOTED = '---\nid: "BACK-7"\ntitle: "Seven"\nstatus: "In Progress"\npriority: low\n---\n'
BMAD = """\
# generated: 2026-07-04
generated: 2026-07-04
project: Shop
story_location: /elsewhere/_bmad-output/implementation-artifacts

development_status:
  epic-1: in-progress
  1-1-user-authentication: done
  1-2-roles: ready-for-dev
  1-3-not-written: backlog
  epic-1-retrospective: optional
action_items:
  - {epic: 1, item: tidy up, status: open}
"""
BMAD_STORY = """\
# Story 1.2: Roles and rights

Status: ready-for-dev

## Story

As an **admin**, I want roles.

## Acceptance Criteria

1. **Given** an admin, **when** she looks, **then** she sees.
2. Second

## Tasks / Subtasks

- [ ] Task 1 (AC: 1)
  - [ ] 1.1 in `src/roles.py`

## Dev Notes

Keep it small.

## Dev Agent Record

### Agent Model Used
"""
GITHUB = """\
[
  {"number": 41, "title": "Export CSV", "state": "OPEN",
   "labels": [{"id": "LA_1", "name": "P1", "description": "", "color": "d73a4a"},
   {"id": "LA_2", "name": "api", "description": "", "color": "0e8a16"}],
   "milestone": {"number": 2, "title": "v2", "description": "", "dueOn": null},
   "author": {"id": "U_1", "is_bot": false, "login": "ann", "name": "Ann"}, "url": "https://github.com/acme/shop/issues/41",
   "body": "Depends on #38\\r\\n\\r\\nIn `src/export.py`.\\n\\n## Acceptance\\n- [ ] header row\\n- [ ] UTF-8\\n\\n\
## Tasks\\n- [ ] #40\\n"},
  {"number": 40, "title": "Rows", "state": "CLOSED", "stateReason": "COMPLETED", "labels": [], "body": "",
   "url": "https://github.com/acme/shop/issues/40"},
  {"number": 38, "title": "Never", "state": "CLOSED", "stateReason": "NOT_PLANNED", "body": null,
   "url": "https://github.com/acme/shop/issues/38"}
]
"""
GITHUB_MINIMAL = '[{"number":1,"title":"One","body":"text"},{"number":2,"title":"Two","body":"blocked by #1"}]'
GITHUB_WITH_BLOCKERS = """\
[{"number": 2, "title": "Two", "state": "OPEN", "blockedBy": {"nodes": [{"number": 1}]}, "comments": [1]},
 {"number": 1, "title": "One", "state": "OPEN", "closed": false}]
"""
CSV = """\
ID,Title,Status,Priority,Estimate,Depends on,Description
A-1,Parse,Done,P0,3,,"Two
lines"
A-2,Serve,Todo,P1,5,A-1; A-3,In src/serve.py
,,,,,,
A-3,Store,Backlog,whatever,,,
"""
CSV_JIRA = "Summary;Issue key;Status;Priority;Labels\nFirst;SHOP-1;To Do;High;a\nSecond;SHOP-2;In Review;Low;\n"
TSV = "Task\tHours\tFiles\nPaint\t1.5\tsrc/a.py, src/b.py\nPaint\t2\t\n"

SAMPLES |= {
    "task-master": Sample(
        plan_format="task-master",
        path=".taskmaster/tasks/tasks.json",
        text=TASK_MASTER,
        ids=("1", "2.1", "2.2", "3"),
    ),
    "task-master with ids as text": Sample(
        plan_format="task-master", path="tasks.json", text=TASK_MASTER_STRINGS, ids=("1.1", "1.2", "2")
    ),
    "task-master without tags": Sample(plan_format="task-master", path="t.json", text=TASK_MASTER_OLDER, ids=("1",)),
    "ralph": Sample(plan_format="ralph", path="prd.json", text=RALPH, ids=("US-002", "US-001")),
    "ralph in a line": Sample(plan_format="ralph", path="", text=RALPH_MINIMAL, ids=("US-1",)),
    "ralph without ids": Sample(
        plan_format="ralph", path="scripts/ralph/prd.json", text=RALPH_WITHOUT_IDS, ids=("first", "second")
    ),
    "beads": Sample(plan_format="beads", path=".beads/issues.jsonl", text=BEADS, ids=("bd-e1.1", "bd-k3", "bd-k1")),
    "beads as a list": Sample(plan_format="beads", path="issues.json", text=BEADS_LIST, ids=("bd-1", "bd-2")),
    "beads in an envelope": Sample(plan_format="beads", path="", text=BEADS_ENVELOPE, ids=("bd-1",)),
    "backlog.md": Sample(
        plan_format="backlog.md", path="backlog/tasks/back-12 - Export-CSV.md", text=BACKLOG, ids=("BACK-12",)
    ),
    "backlog.md sub-task": Sample(
        plan_format="backlog.md", path="backlog/tasks/task-4.1 - Sub.md", text=BACKLOG_SUB_TASK, ids=("task-4.1",)
    ),
    "backlog.md in quotes": Sample(plan_format="backlog.md", path="b.md", text=BACKLOG_QUOTED, ids=("BACK-7",)),
    # The stories of BMAD are separate files: see its tests.
    "bmad": Sample(plan_format="bmad", path="docs/sprint-artifacts/sprint-status.yaml", text=BMAD, ids=()),
    "github": Sample(plan_format="github", path="issues.json", text=GITHUB, ids=("GH-41", "GH-40", "GH-38")),
    "github in a line": Sample(plan_format="github", path="", text=GITHUB_MINIMAL, ids=("GH-1", "GH-2")),
    "github with blockers": Sample(
        plan_format="github", path="i.json", text=GITHUB_WITH_BLOCKERS, ids=("GH-2", "GH-1")
    ),
    "csv": Sample(plan_format="csv", path="plan.csv", text=CSV, ids=("A-1", "A-2", "A-3")),
    "csv of Jira": Sample(plan_format="csv", path="jira.csv", text=CSV_JIRA, ids=("SHOP-1", "SHOP-2")),
    "tsv": Sample(plan_format="csv", path="a.tsv", text=TSV, ids=("paint", "paint-2")),
}
