"""What several test files share. Tests may import it; nothing outside tests/ does."""
