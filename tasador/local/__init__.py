"""The embedded platform: everything the loop needs on one machine, without Docker."""
