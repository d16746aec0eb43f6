"""What the server's own steps cost and keep to: keys, queues, kept answers, routes, models that come and go."""
