"""Files that calls name by URL: whether they may be fetched, and how they come here."""
