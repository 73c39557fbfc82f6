"""A peer's own clock: seconds since its process began, and by step."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass
class Clock:
    """Seconds by step; what comes before the first is the start of Python."""

    seconds: dict[str, float] = field(default_factory=dict)
    total: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; one of the same name adds up."""
        print(f"    {name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        yield
        taken = time.perf_counter() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + taken

    def stop(self) -> None:
        """End the timing: from the start of the process, with all its imports."""
        self.total = time.time() - psutil.Process().create_time()
        self.seconds["start"] = self.total - sum(self.seconds.values())
