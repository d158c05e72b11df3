"""The size of a trace: what a step costs, and that it costs the same late in an episode. Bytes, not seconds."""

import pytest
from synthetic_episode import SyntheticEpisode

from traces import EpisodeFolder, TraceReader, TraceWriter


@pytest.mark.parametrize("recalled", [20, 100])
def test_a_step_of_four_calls_takes_under_2_kilobytes_however_late(tmp_path, recalled):
    folder = EpisodeFolder(tmp_path)
    prompts = 0
    with TraceWriter(folder) as writer:
        for record in SyntheticEpisode(recalled=recalled).records(2000):
            writer.write(record)
            calls = [(one, call) for one in record.conversations for call in range(len(one.calls))]
            prompts += sum(len(message["content"]) for one, call in calls for message in one.prompt(call))
    with TraceReader(folder) as reader:
        sizes = [reader.stored_bytes(number) for number in range(1, 2001)]
    early, late = sum(sizes[1200:1600]) / 400, sum(sizes[1600:]) / 400  # recalls have their full length
    assert prompts / 2000 > 20_000  # the paper's release has 21,600 characters per step, and takes 37 KB
    assert sum(sizes) / 2000 <= 2048
    assert late <= 1.2 * early
