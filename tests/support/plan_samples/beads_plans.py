"""Issues of beads."""

from __future__ import annotations

from plan_samples.sample import Sample

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
SAMPLES: dict[str, Sample] = {
    "beads": Sample(plan_format="beads", path=".beads/issues.jsonl", text=BEADS, ids=("bd-e1.1", "bd-k3", "bd-k1")),
    "beads as a list": Sample(plan_format="beads", path="issues.json", text=BEADS_LIST, ids=("bd-1", "bd-2")),
    "beads in an envelope": Sample(plan_format="beads", path="", text=BEADS_ENVELOPE, ids=("bd-1",)),
}
