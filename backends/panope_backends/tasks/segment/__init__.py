"""The task segment: from images to masks of what they show."""
