"""Files that outlive their process: written whole or not at all, by one process at a time.

Start with `durable`; `lock` says who may write.
"""
