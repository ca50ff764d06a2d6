"""Random forests on the features of a network's layers, kept beside the ticket."""
