"""One file for each way to the extreme eigenvalues; each takes a problem and a request.

`auto` chooses between them by what they cost. Start with `lanczos`.
"""
