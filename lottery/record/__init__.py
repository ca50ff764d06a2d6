"""Every file that a run leaves on disk: names, whole writes, tables. Free of torch."""
