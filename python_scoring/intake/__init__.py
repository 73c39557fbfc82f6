"""New patients, one by one: what was sent, what it says, and what is wrong with it."""
