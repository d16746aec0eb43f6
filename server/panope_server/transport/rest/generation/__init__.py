"""What every route that generates has in common."""
