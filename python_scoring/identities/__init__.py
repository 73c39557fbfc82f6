"""Who people are outside: pseudonyms, the key, the way back, and being forgotten."""
