"""PDF files that callers sent, by PDFium, which opens and draws them in processes of their own."""
