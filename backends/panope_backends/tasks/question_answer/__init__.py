"""The task question-answer: from questions and texts to the parts of the texts that answer them."""
