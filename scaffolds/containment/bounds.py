"""How much contained code may use before it is stopped."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one contained process, which lives for one episode. Seconds are of wall time unless they say CPU."""

    answer_s: float = 5.0
    """For one call (observe, maintain, act, an operation). Hooks take about a millisecond; a loaded machine may take
    a hundred times that, and while we wait nothing else of this event loop goes on."""
    start_s: float = 30.0
    """For starting the process, which takes about 0.05 s."""
    cpu_s: int = 3_600
    """CPU time of the whole episode: 36 ms for each step of the longest one (100,000)."""
    idle_cpu_s: float = 0.5
    """CPU time between two calls, when there is nothing to do: it covers putting memory in order."""
    memory_mb: int = 256
    """Address space. An empty Python takes about 20 MB of it."""
    answer_bytes: int = 1024 * 1024
    """One line of the protocol: an answer, or a file to be written. It bounds what parsing it costs us."""
    call_bytes: int = 4 * 1024 * 1024
    """All lines of one call."""
    journal_bytes: int = 4 * 1024 * 1024
    """What its writing may add to the notebook's journal, and beside it …"""
    step_journal_bytes: int = 32 * 1024
    """… for each step since the process first wrote: over the longest episode 3 GB."""
    notebook_requests: int = 1_000
    """Requests to the notebook in one call; the shipped example makes three."""
    printed_bytes: int = 1024 * 1024
    """What one call prints, to standard output and error together. Prints are not kept."""
