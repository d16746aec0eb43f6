"""Tasks of images: what is asked about them, and what is answered."""
