"""Models that write the text of a whole image, token by token: TrOCR a line, Donut a document's content."""
