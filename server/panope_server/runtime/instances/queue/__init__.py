"""What waits for the instances of a model: whose turn is next, what a full queue gives up, how long it will take."""
