"""Issues of GitHub, as `gh` and the API print them."""

from __future__ import annotations

from plan_samples.sample import Sample

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
GITHUB_NUMBERS = """\
[{"number":46,"title":"Markers remain in the code"},{"number":45,"title":"The window flickers"}]
"""
GITHUB_LINES = """\
{"body":"Depends on #38\\n\\n- [ ] header row","number":41,"state":"OPEN","title":"Export CSV"}
{"body":"","number":38,"state":"CLOSED","title":"Rows"}
"""
GITHUB_INDENTED = """\
{
  "number": 41,
  "title": "Export CSV"
}
{
  "number": 38,
  "title": "Rows"
}
"""
GITHUB_PAGES = """\
[{"url": "https://api.github.com/repos/acme/shop/issues/3", "number": 3, "title": "Sort", "state": "open"},
{"url": "https://api.github.com/repos/acme/shop/issues/2", "number": 2, "title": "Store", "state": "open"}][
{"url": "https://api.github.com/repos/acme/shop/issues/1", "number": 1, "title": "Read", "state": "open"}]
"""
GITHUB_WITHOUT_BODIES = """\
[{"labels":[{"id":"LA_k","name":"enhancement","description":"New feature or request","color":"a2eeef"},\
{"id":"LA_m","name":"priority/P3","description":"Low priority","color":"c2e0c6"}],"milestone":{"number":19,\
"title":"M17","description":"","dueOn":null},"number":1545,\
"title":"feat(search): tables","updatedAt":"2026-01-17T02:46:23Z"},\
{"labels":[{"id":"LA_n","name":"P1: urgent","description":"","color":"ffffff"},\
{"id":"LA_o","name":"high availability","description":"","color":"ffffff"}],"milestone":null,"number":1544,\
"title":"feat(chat): threads","updatedAt":"2026-01-17T02:46:20Z"}]
"""
GITHUB_ONE = """\
{
  "assignees": [{"id": "U_1", "login": "bea", "name": ""}],
  "body": "### What happens?\\n\\nThe list in `src/list.ts` jumps.\\n\\n### Before you report\\n\\n\
- [X] I have searched the issues\\n\\n### Acceptance criteria\\n\\n- [ ] it stays\\n- [x] a test\\n",
  "labels": [],
  "number": 12,
  "state": "OPEN",
  "title": "The list jumps",
  "url": "https://github.com/acme/shop/issues/12"
}
"""
GITHUB_API = """\
[
  {"url": "https://api.github.com/repos/acme/shop/issues/3", "html_url": "https://github.com/acme/shop/issues/3",
   "id": 9, "number": 3, "title": "Sort", "user": {"login": "bea"}, "labels": [{"id": 4, "name": "low priority"}],
   "state": "open", "locked": false, "assignee": null, "milestone": null, "comments": 0, "body": "Blocked by #2."},
  {"url": "https://api.github.com/repos/acme/shop/issues/2", "html_url": "https://github.com/acme/shop/issues/2",
   "id": 8, "number": 2, "title": "Store", "user": {"login": "bea"}, "labels": [], "state": "closed",
   "state_reason": "completed", "milestone": {"title": "v1", "number": 1}, "body": null}
]
"""
GITHUB_PROJECT = """\
{"items":[\
{"assignees":["bea"],"content":{"body":"Needs #6","number":7,"repository":"acme/shop","title":"Pay","type":"Issue",\
"url":"https://github.com/acme/shop/issues/7"},"id":"PVTI_1","labels":["P0"],"repository":"https://github.com/acme/shop",\
"status":"In Progress","title":"Pay"},\
{"content":{"body":"","number":6,"repository":"acme/shop","title":"Basket","type":"Issue",\
"url":"https://github.com/acme/shop/issues/6"},"id":"PVTI_2","repository":"https://github.com/acme/shop","status":"Done",\
"title":"Basket"},\
{"content":{"body":"later","id":"DI_1","title":"An idea","type":"DraftIssue"},"id":"PVTI_3","status":"Todo",\
"title":"An idea"},\
{"content":{"body":"","number":8,"repository":"acme/shop","title":"A change","type":"PullRequest",\
"url":"https://github.com/acme/shop/pull/8"},"id":"PVTI_4","title":"A change"}],"totalCount":4}
"""

SAMPLES: dict[str, Sample] = {
    "github": Sample(plan_format="github", path="issues.json", text=GITHUB, ids=("GH-41", "GH-40", "GH-38")),
    "github in a line": Sample(plan_format="github", path="", text=GITHUB_MINIMAL, ids=("GH-1", "GH-2")),
    "github with blockers": Sample(
        plan_format="github", path="i.json", text=GITHUB_WITH_BLOCKERS, ids=("GH-2", "GH-1")
    ),
    "github with numbers and titles": Sample(
        plan_format="github", path="issues.json", text=GITHUB_NUMBERS, ids=("GH-46", "GH-45")
    ),
    "github in lines": Sample(plan_format="github", path="i.jsonl", text=GITHUB_LINES, ids=("GH-41", "GH-38")),
    "github one after another": Sample(plan_format="github", path="", text=GITHUB_INDENTED, ids=("GH-41", "GH-38")),
    "github in pages": Sample(plan_format="github", path="i.json", text=GITHUB_PAGES, ids=("GH-3", "GH-2", "GH-1")),
    "github without bodies": Sample(
        plan_format="github", path="issues.json", text=GITHUB_WITHOUT_BODIES, ids=("GH-1545", "GH-1544")
    ),
    "github of one issue": Sample(plan_format="github", path="issue.json", text=GITHUB_ONE, ids=("GH-12",)),
    "github of the API": Sample(plan_format="github", path="a/issues.json", text=GITHUB_API, ids=("GH-3", "GH-2")),
    "github of a project": Sample(plan_format="github", path="board.json", text=GITHUB_PROJECT, ids=("GH-7", "GH-6")),
}
