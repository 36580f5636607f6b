"""Fuzzing of every place where bytes from outside are read.

    python -m bench.fuzz [TARGET ...] [--seconds 60] [--runs N] [--seed 1] [--corpus FOLDER] [--out FILE]

Each target runs in a process of its own under atheris (libFuzzer with coverage of our modules), one after the other.
`audio` sends mutated files of every format to the real template and its children instead; `--variants` says how many
of each format. What breaks is kept as a file beside the corpus, printed, and makes the exit status 1.
"""
