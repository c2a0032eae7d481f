"""HTTP itself: request bodies, errors, pages of lists."""
