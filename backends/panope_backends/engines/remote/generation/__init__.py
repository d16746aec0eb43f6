"""Models that generate on servers elsewhere: what they are asked, and the events that they answer with."""
