"""The life of one run: its folder, lock, status, processes, and the sweep it belongs to."""
