"""What servers record of serving: their instances, measurements and samples of their calls."""
