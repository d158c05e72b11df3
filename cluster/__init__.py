"""Workers: processes on one or many machines that play a run's episodes and ship what they write to its folder."""
