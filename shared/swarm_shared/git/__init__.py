"""All git operations: worktrees, work in progress, diffs, merging and landing; no database, no services."""
