"""The routes that make videos."""
