"""Small plans in the shapes that tools write and people keep, by name."""

from __future__ import annotations

from plan_samples import (
    beads_plans,
    file_plans,
    github_plans,
    markdown_plans,
    ralph_plans,
    table_plans,
    task_master_plans,
)
from plan_samples.sample import Sample

SAMPLES: dict[str, Sample] = {
    **markdown_plans.SAMPLES,
    **task_master_plans.SAMPLES,
    **ralph_plans.SAMPLES,
    **beads_plans.SAMPLES,
    **github_plans.SAMPLES,
    **file_plans.SAMPLES,
    **table_plans.SAMPLES,
}

__all__ = ["SAMPLES", "Sample"]
