"""Who does what, when: the LangGraph state machines of the inner agent and of the loops around it."""
