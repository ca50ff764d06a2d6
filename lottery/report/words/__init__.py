"""What a report says: sentences, checks and tables."""
