"""Tables: CSV and TSV."""

from __future__ import annotations

from plan_samples.sample import Sample

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

CSV_JIRA_WIDE = """\
Summary,Issue id,Issue key,Issue Type,Status,Project key,Priority,Resolution,Assignee,Created,Labels,Labels,\
Description,Outward issue link (Blocks),Inward issue link (Blocks),Original estimate,Status Category
Scan,10279,PT-2,Task,In QA,PT,Highest,,,09/Jan/26 3:54 PM,api,fast,"Read the
codes",,PT-1,28800,In Progress
Print,10005,PT-1,Bug,Selected for Development,PT,Low,,,08/Jan/26 2:10 PM,,,,PT-2,,,To Do
Pack,10006,PT-3,Story,Fertig,PT,Medium,Done,,08/Jan/26 2:10 PM,,,,,,,Done
"""
CSV_LINEAR = """\
ID,Team,Title,Description,Status,Estimate,Priority,Project ID,Project,Creator,Assignee,Labels,Cycle Number,Created,\
Completed,Canceled,Archived,Due Date,Parent issue,Project Milestone,UUID,Related to,Blocked by,Duplicate of
ENG-2,Core,"Fix, the parser","In `src/parse.ts`",Done,3,Urgent,,Atlas,Ada,Grace,"Bug, Feature",4,2026-01-01T10:00:00Z,\
2026-02-01T10:00:00Z,,2026-03-01T10:00:00Z,,,M1,u2,,,
ENG-1,Core,Add search,,In Progress,2,High,,Atlas,Ada,,,4,2026-01-02T10:00:00Z,,,,,,M1,u1,,"ENG-2, ENG-4",
ENG-3,Core,Drop this,,Canceled,,Low,,Atlas,Ada,,,,2026-01-03T10:00:00Z,,2026-02-02T10:00:00Z,,,,,u3,,,
ENG-4,Core,Look at me,,Triage,,No priority,,Atlas,Ada,,,,2026-01-04T10:00:00Z,,,,,ENG-1,,u4,,,
"""
CSV_TRELLO = """\
Card ID,Card Name,Card URL,Card Description,Labels,Members,Due Date,Checklist Item Total Count,List ID,List Name,\
Board ID,Board Name,Archived,Due Complete
c1,Order tiles,https://trello.com/c/1,For the bath,"Purchase (green), Urgent (red)",,,0,l1,North,b,Site,false,false
c2,Old,https://trello.com/c/2,,,,,0,l1,North,b,Site,true,false
c3,Paint,https://trello.com/c/3,,,,,2,l2,Done,b,Site,false,false
"""
CSV_ASANA = """\
Task ID,Created At,Completed At,Last Modified,Name,Section/Column,Assignee,Assignee Email,Start Date,Due Date,Tags,\
Notes,Projects,Parent task,Blocked By (Dependencies),Blocking (Dependencies)
1001,2026-03-01,,2026-03-05,Plan the launch,Preparation,Dana,dana@example.com,,2026-04-01,"launch,web","Two
lines",Launch,,Book a room,
1002,2026-03-02,2026-03-06,2026-03-06,Book a room,Preparation,,,,,,,Launch,,,Plan the launch
"""
TSV_PROJECT = (
    "Title\tURL\tAssignees\tStatus\tLabels\tMilestone\n"
    "Pay\thttps://github.com/acme/shop/issues/7\tbea\tIn Progress\tapi, P0\tv1\n"
    "Basket\thttps://github.com/acme/shop/issues/6\t\tDone\t\t\n"
)

SAMPLES: dict[str, Sample] = {
    "csv": Sample(plan_format="csv", path="plan.csv", text=CSV, ids=("A-1", "A-2", "A-3")),
    "csv of Jira": Sample(plan_format="csv", path="jira.csv", text=CSV_JIRA, ids=("SHOP-1", "SHOP-2")),
    "tsv": Sample(plan_format="csv", path="a.tsv", text=TSV, ids=("paint", "paint-2")),
    "csv of Jira with all columns": Sample(
        plan_format="csv", path="jira.csv", text=CSV_JIRA_WIDE, ids=("PT-2", "PT-1", "PT-3")
    ),
    "csv of Linear": Sample(
        plan_format="csv", path="linear.csv", text=CSV_LINEAR, ids=("ENG-2", "ENG-1", "ENG-3", "ENG-4")
    ),
    "csv of Trello": Sample(plan_format="csv", path="board.csv", text=CSV_TRELLO, ids=("c1", "c3")),
    "csv of Asana": Sample(plan_format="csv", path="asana.csv", text=CSV_ASANA, ids=("1001", "1002")),
    "tsv of a GitHub project": Sample(plan_format="csv", path="project.tsv", text=TSV_PROJECT, ids=("pay", "basket")),
}
