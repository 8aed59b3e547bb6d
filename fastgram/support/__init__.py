"""Tools of every room: checked arguments, threads and memory, rounding, progress.

It imports nothing of fastgram's. Start with `validation`, for what is refused and in which words.
"""
