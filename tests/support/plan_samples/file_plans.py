"""Plans with a file for each task: Backlog.md and BMAD."""

from __future__ import annotations

from plan_samples.sample import Sample

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

SAMPLES: dict[str, Sample] = {
    "backlog.md": Sample(
        plan_format="backlog.md", path="backlog/tasks/back-12 - Export-CSV.md", text=BACKLOG, ids=("BACK-12",)
    ),
    "backlog.md sub-task": Sample(
        plan_format="backlog.md", path="backlog/tasks/task-4.1 - Sub.md", text=BACKLOG_SUB_TASK, ids=("task-4.1",)
    ),
    "backlog.md in quotes": Sample(plan_format="backlog.md", path="b.md", text=BACKLOG_QUOTED, ids=("BACK-7",)),
    # The stories of BMAD are separate files: see its tests.
    "bmad": Sample(plan_format="bmad", path="docs/sprint-artifacts/sprint-status.yaml", text=BMAD, ids=()),
}
