"""Runs the programs of a cluster, and waits for their answer."""

from __future__ import annotations

import subprocess

ASK_TIMEOUT_S = 10.0


class Silent(Exception):
    """The cluster gave no answer; the text says why."""


def ask(*words: str, timeout_s: float = ASK_TIMEOUT_S) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command.

    Raises:
        Silent: It is missing, or gave no answer in time.
    """
    try:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise Silent(f"{words[0]} did not answer in {timeout_s:g} s") from error
    except OSError as error:
        raise Silent(f"{words[0]} cannot be started: {error.strerror}") from error
    printed, complained = (text.decode(errors="replace").strip() for text in (ended.stdout, ended.stderr))
    return ended.returncode, printed, complained


def answer_of(ended: tuple[int, str, str], program: str) -> str:
    """What it printed.

    Raises:
        Silent: It failed.
    """
    code, printed, complained = ended
    if code != 0:
        raise Silent(complained or printed or f"{program} ended with exit code {code}")
    return printed
