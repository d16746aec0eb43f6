"""Messages with an image, for models that write of it and know no conversations: captions, answers to questions."""
