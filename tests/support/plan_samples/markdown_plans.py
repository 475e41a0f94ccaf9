"""Plans in Markdown: spec-kit, Kiro, OpenSpec, checklists."""

from __future__ import annotations

from plan_samples.sample import Sample

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

FIX_PLAN = """\
# Ralph Fix Plan

## High Priority

### Foundation
- [x] Set up the project
- [ ] Define the types in `src/types.ts`

## Medium Priority
- [ ] **Safe pull**
  - look for local changes
  - show the conflicts
- [ ] Outline view (BLOCKED)

## Low Priority

- [ ] Dark mode [ref: PRD/AC-1.2]

## Completed
- [x] Project initialization

## Notes
- Use the standard library
"""

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
    "fix plan": Sample(
        plan_format="checklist",
        path=".ralph/fix_plan.md",
        text=FIX_PLAN,
        ids=(
            *("set-up-the-project", "define-the-types-in-src-types-ts", "safe-pull", "outline-view-blocked"),
            *("dark-mode-ref-prd-ac-1-2", "project-initialization"),
        ),
    ),
}
