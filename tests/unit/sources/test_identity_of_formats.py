"""A repeated import of a plan of any format finds its tasks, even after its file moved or its items were reordered."""

from __future__ import annotations

import csv
import io
import json

import pytest
from plan_samples import SAMPLES, Sample

from swarm_shared.domain.models import TaskSpec
from swarm_shared.sources.identity import Known, settle
from swarm_shared.sources.plans.plan import Options, Place
from swarm_shared.sources.reading import read_plan

# Each file is one task, or the stories are files next to the plan: see their own tests.
WHOLE = {name: sample for name, sample in SAMPLES.items() if sample.plan_format not in ("backlog.md", "bmad")}
# One list: pages of an API are several.
RECORDS = {name: each for name, each in WHOLE.items() if each.text.startswith("[") and "][" not in each.text}
ROWS = {name: sample for name, sample in WHOLE.items() if sample.plan_format == "csv"}


def specs(sample: Sample, text: str, path: str) -> list[TaskSpec]:
    place = Place(file=path, path=path, in_project=True)
    return read_plan(sample.plan_format, place, text.encode(), Options()).tasks


def queue(listed: list[TaskSpec]) -> dict[str, Known]:
    return {spec.id: Known(name=spec.name, source=spec.source) for spec in listed}


def by_key(listed: list[TaskSpec]) -> dict[str, str]:
    return {spec.source.key: spec.id for spec in listed if spec.source is not None}


@pytest.mark.parametrize("name", WHOLE)
def test_a_plan_whose_file_moved_keeps_its_ids(name: str) -> None:
    sample = WHOLE[name]
    old = sample.path or "plan"
    before = specs(sample, sample.text, old)
    after = specs(sample, sample.text, f"elsewhere/{old}")
    found = settle(after, queue(before), gone={old})
    assert by_key(found) == by_key(before)


@pytest.mark.parametrize("name", RECORDS)
def test_records_in_another_order_keep_their_ids(name: str) -> None:
    sample = RECORDS[name]
    before = specs(sample, sample.text, sample.path)
    text = json.dumps(list(reversed(json.loads(sample.text))))
    assert by_key(settle(specs(sample, text, sample.path), queue(before))) == by_key(before)


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_another_order_keep_their_ids(name: str) -> None:
    sample = ROWS[name]
    before = specs(sample, sample.text, sample.path)
    delimiter = max(",;\t", key=sample.text.partition("\n")[0].count)
    head, *rows = csv.reader(io.StringIO(sample.text), delimiter=delimiter)
    turned = io.StringIO()
    csv.writer(turned, delimiter=delimiter).writerows([head, *reversed(rows)])
    assert by_key(settle(specs(sample, turned.getvalue(), sample.path), queue(before))) == by_key(before)
