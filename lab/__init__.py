"""The memory lab: what a memory decision did, measured by playing on without it."""
