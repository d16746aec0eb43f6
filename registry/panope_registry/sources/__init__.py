"""Where repos come from: a hub on the network, behind one interface."""
