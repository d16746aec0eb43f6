"""Models on servers elsewhere: what a request becomes there, and what is made of answers that nobody vouches for."""
