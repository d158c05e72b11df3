"""The evaluation of a scaffold and its models as a LangGraph graph: prepare → play → summarise.

`prepare` checks everything and writes run.json, `play` runs the episodes side by side (each world step is a run of the
inner agent), `summarise` writes summary.json.
"""

from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph

from graphs.checked_graph import CheckedGraph
from graphs.evaluation.nodes import play, play_sync, prepare, summarise
from graphs.evaluation.state import Input, Output, State
from graphs.settings import Context


def build() -> StateGraph[State, Context, Input, Output]:
    """The graph, not yet compiled."""
    builder = StateGraph(State, context_schema=Context, input_schema=Input, output_schema=Output)
    builder.add_node("prepare", prepare)
    builder.add_node("play", RunnableLambda(play_sync, afunc=play, name="play"))
    builder.add_node("summarise", summarise)
    builder.add_edge(START, "prepare")
    builder.add_edge("prepare", "play")
    builder.add_edge("play", "summarise")
    builder.add_edge("summarise", END)
    return builder


graph = CheckedGraph.of(build().compile(name="evaluation"))
