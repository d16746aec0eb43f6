"""What servers do: their instances, measurements and samples of their calls."""
