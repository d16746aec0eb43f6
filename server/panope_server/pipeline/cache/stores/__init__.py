"""Where answers are kept: in this process, and on a server that several share."""
