"""Figures and table of stability analyses."""

STABLE_BELOW = 0.02  # instability, test error: what Frankle et al. (2020) call stable
