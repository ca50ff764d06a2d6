"""The checks of a new machine: what is there, and whether runs on it keep their promises."""
