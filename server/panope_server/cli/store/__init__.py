"""Commands on the store of files: what it holds, what must stay, what may go."""
