"""Published claims as data: the runs they need, and whether ours bear them out.

Reading and judging need no torch; only `resolve`, and `sweeps` after it, compose configs.
"""
