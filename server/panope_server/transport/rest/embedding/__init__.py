"""What every route that embeds has in common."""
