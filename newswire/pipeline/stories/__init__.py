"""Stories: records put back in sequence, and each article put into the story of its event."""
