"""The ticket of a round: taken out of its run, verified, and used in other forms."""
