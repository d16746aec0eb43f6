"""What devices do at this moment, as the system or a driver tells it, whoever uses them."""
