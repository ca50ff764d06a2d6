"""Every file that a run leaves on disk: names, whole writes, typed records, tables. No torch."""
