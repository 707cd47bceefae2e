"""AWS: sessions of one place, what may be read, how fast, what an answer means."""
