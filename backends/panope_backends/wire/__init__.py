"""Forms of bytes that the server and its workers share."""
