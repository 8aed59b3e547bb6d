"""fastgram and what else computes the same, side by side: ``python -m bench.peers``."""
