"""Traces: what happened in an episode, recorded step by step, read back, measured and summed up."""

from traces.flags import StepFlags, flagged_steps
from traces.folders import EpisodeFolder, RunFolder, TraceDamaged, TraceFailure
from traces.metrics import METRICS_VERSION, MetricsAccumulator
from traces.outline import StepOutline
from traces.plain_json import RecordError
from traces.reader import TraceReader
from traces.records import (
    FORMAT,
    Conversation,
    EpisodeResult,
    Failure,
    FileDigest,
    Message,
    ModelCall,
    OperationRecord,
    StepRecord,
)
from traces.results import read_result, write_result
from traces.run_file import read_run, write_run
from traces.summary import aggregate, read_results, write_summary
from traces.writer import TraceWriter, copy_steps

__all__ = [
    "FORMAT",
    "METRICS_VERSION",
    "Conversation",
    "EpisodeFolder",
    "EpisodeResult",
    "Failure",
    "FileDigest",
    "Message",
    "MetricsAccumulator",
    "ModelCall",
    "OperationRecord",
    "RecordError",
    "RunFolder",
    "StepFlags",
    "StepOutline",
    "StepRecord",
    "TraceDamaged",
    "TraceFailure",
    "TraceReader",
    "TraceWriter",
    "aggregate",
    "copy_steps",
    "flagged_steps",
    "read_result",
    "read_results",
    "read_run",
    "write_result",
    "write_run",
    "write_summary",
]
