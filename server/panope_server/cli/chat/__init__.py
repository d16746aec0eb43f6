"""Commands that generate: a chat in the terminal, and prompts that are continued."""
