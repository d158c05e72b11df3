"""From selected turns to a memory specialist: datasets, recipes, the ledger, training and serving.

Nothing heavy is imported until a training begins; `training/sft_specialist.py` is also a script of its own.
"""
