"""What backup and restore are made of."""
