"""Read runs from disk and group them into settings, tickets and their controls."""
