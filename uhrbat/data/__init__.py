"""Real pictures: what is in them, their splits by place, and compositions of known content."""
