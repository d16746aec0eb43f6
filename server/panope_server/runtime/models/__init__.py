"""Models at run time: what exists, what is loaded, what runs."""
