"""The task table-question-answer: from questions about tables to the cells that answer them."""
