"""Commands on who may call: keys, and the audit log."""
