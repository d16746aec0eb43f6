"""The task ocr: from images and pages to the text in them, line by line."""
