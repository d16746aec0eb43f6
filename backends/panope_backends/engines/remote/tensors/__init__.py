"""Models on servers elsewhere that take and give named arrays, by KServe's protocol v2."""
