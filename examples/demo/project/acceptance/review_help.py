"""The customer's look at the command line: a verdict as the swarm asks its validators for one."""

import json
import subprocess
import sys

shown = subprocess.run([sys.executable, "-m", "tally", "--help"], capture_output=True, text=True, check=False)
issues = []
if shown.returncode != 0:
    issues.append(f"tally/__main__.py: --help ends with exit code {shown.returncode}")
if "--top" not in shown.stdout:
    issues.append("tally/__main__.py: --help does not mention --top")
if "example:" not in shown.stdout.lower():
    issues.append("tally/__main__.py: --help shows no example")
verdict = {
    "verdict": "FAIL" if issues else "PASS",
    "critical_issues": issues,
    "summary": "The help leaves a newcomer alone." if issues else "A newcomer finds the way.",
}
print(json.dumps(verdict))
