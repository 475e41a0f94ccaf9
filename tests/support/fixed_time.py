"""A clock that tests move manually."""

from __future__ import annotations


class ManualClock:
    """Wall and monotonic time in milliseconds, and a boot that can change."""

    def __init__(self, wall_ms: int = 1_750_000_000_000, mono_ms: int = 5_000_000, boot: str = "boot-1") -> None:
        self.wall, self.mono, self.boot = wall_ms, mono_ms, boot

    def wall_ms(self) -> int:
        return self.wall

    def mono_ms(self) -> int:
        return self.mono

    def boot_id(self) -> str:
        return self.boot

    def pass_s(self, seconds: float) -> None:
        """Let time pass as it does while the machine is awake."""
        self.wall += round(seconds * 1000)
        self.mono += round(seconds * 1000)
